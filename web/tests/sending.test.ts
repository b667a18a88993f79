/** The sender decides as Python's does, over links that behave as TCP. */
import { describe, expect, test } from "vitest";
import { CodecConfig } from "../src/config";
import { InputError } from "../src/errors";
import { Call, Role } from "../src/protocol";
import {
  Dtx,
  PUSH_TO_TALK,
  RateController,
  SendQueue,
  WebSocketLink,
  WireMeter,
} from "../src/sending";
import { plainFrames } from "./scripts";
import { readJson } from "./vectors";

interface Vectors {
  readonly config: string;
  readonly rate_control: {
    readonly link: string;
    readonly frame_s: number;
    readonly max_bps: number | null;
    readonly start_bps: number | null;
    readonly frames: [number[], number[], [number, number][], [number, number][]][];
  }[];
  readonly dtx: {
    readonly options: { prerollFrames: number; hangoverFrames: number; keepaliveFrames: number };
    readonly max_frames: number;
    readonly steps: {
      readonly row: number[];
      readonly voiced: boolean;
      readonly drop: number;
      readonly wanted: number;
      readonly frames: unknown[];
      readonly taken: unknown;
      readonly left: number[];
    }[];
  }[];
  readonly meter: {
    readonly secure: boolean;
    readonly steps: [number, number, number, number, number][];
    readonly costs: [number, number, number][];
    readonly shares: [number, number][];
  }[];
}

const VECTORS = readJson<Vectors>("tests/web/vectors/sending.json");
const CONFIG = CodecConfig.fromJson(VECTORS.config);
const LINK = new WebSocketLink(Role.CLIENT, false);

function control(options: Partial<ConstructorParameters<typeof RateController>[0]>) {
  return new RateController({
    config: CONFIG,
    rates: [0, 1, 2, 3],
    rate: 2,
    framesPerMessage: 1,
    link: LINK,
    coder: null,
    maxBps: null,
    startBps: null,
    ...options,
  });
}

describe.each(VECTORS.rate_control)("a link that is $link", (vector) => {
  test("gets the same plans, frame by frame", () => {
    const it = control({ maxBps: vector.max_bps, startBps: vector.start_bps });
    let now = 0;
    vector.frames.forEach(([told, decided, sent, echoes], at) => {
      now += vector.frame_s;
      const [unsentFrames, bufferedBytes, sentBits, receivedMessages] = told as Four;
      const plan = it.update({ unsentFrames, bufferedBytes, sentBits, receivedMessages }, now);
      const flags = [Number(plan.maySend), Number(plan.isStalled)];
      const { framesPerMessage, rate, dropFrames } = plan;
      expect([framesPerMessage, rate, dropFrames, ...flags], `frame ${at}`).toEqual(decided);
      for (const [sequence, bytes] of sent) it.sent(sequence, bytes, now);
      for (const [sequence, heldS] of echoes) it.echo(sequence, heldS, now);
    });
  });
});

type Four = [number, number, number, number];

describe.each(VECTORS.dtx)("silence is left out", ({ options, max_frames, steps }) => {
  test("and what waits is grouped and dropped the same", () => {
    const call = new Call();
    call.nextSequence = 2 ** 32 - 30;
    const dtx = new Dtx(options, 2 ** 32 - 50);
    const queue = new SendQueue(call, max_frames);
    steps.forEach((step, at) => {
      const frames = dtx.push(Uint8Array.from(step.row), step.voiced);
      const plain = frames.map((frame) => ({ ...frame, indices: Array.from(frame.indices) }));
      expect(plain, `step ${at}`).toEqual(step.frames);
      for (const frame of frames) queue.push(frame);
      queue.dropOldest(step.drop);
      const taken = step.wanted ? queue.take(step.wanted) : null;
      expect(taken && plainFrames(taken), `step ${at}`).toEqual(step.taken);
      expect([queue.length, queue.dropped], `step ${at}`).toEqual(step.left);
    });
  });
});

describe.each(VECTORS.meter)("bits on the wire, TLS: $secure", ({ secure, steps, costs, shares }) => {
  const link = new WebSocketLink(Role.CLIENT, secure);

  test("as Python counts them", () => {
    for (const [size, out, back] of costs)
      expect([link.wireBits(size), link.reversed.wireBits(size)]).toEqual([out, back]);
    for (const [rate, share] of shares) expect(link.acknowledgementShare(rate)).toBe(share);
    const meter = new WireMeter(link, 3.25);
    for (const [now, size, codec, wire, bytes] of steps) {
      meter.count(size, now);
      meter.countPayload(Math.floor(size / 2), now);
      const kbps = meter.kbps(now);
      expect(kbps.codec).toBeCloseTo(codec, 9);
      expect(kbps.wire).toBeCloseTo(wire, 9);
      expect(meter.wireBytes).toBe(bytes);
    }
  });
});

test("a key sends what is said while it is down, and nothing else", () => {
  const dtx = new Dtx(PUSH_TO_TALK);
  const row = Uint8Array.of(1, 2, 3);
  const sent = [..."..##..#."].map((each) => dtx.push(row, each === "#").length);
  expect(sent).toEqual([0, 0, 1, 1, 1, 0, 1, 1]);
});

test("options out of range are refused", () => {
  expect(() => control({ rates: [] })).toThrow(InputError);
  expect(() => control({ framesPerMessage: 17 })).toThrow(InputError);
  expect(() => control({ maxBps: 0 })).toThrow(InputError);
  expect(() => new SendQueue(new Call(), 7)).toThrow(InputError);
  expect(() => new Dtx({ ...PUSH_TO_TALK, hangoverFrames: 0 })).toThrow(InputError);
});
