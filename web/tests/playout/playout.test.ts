import { describe, expect, test } from "vitest";
import type { AudioFrames } from "../../src/frames";
import { concatenate, SAMPLE_RATE } from "../../src/pcm";
import { Playout, type DelayParts, type PlayoutOptions } from "../../src/playout";
import { renamed } from "../names";
import { ClipDecoder, indicesOf, numberOf, project, speech } from "../speech";
import { readJson } from "../vectors";

type Message = [
  at: number,
  sequence: number,
  timestamp: number,
  frames: number,
  flags: number,
  first: number,
];

interface Call {
  options: Record<string, number | boolean>;
  block: number;
  pulls: number;
  pull_jitter_s: number;
  messages: Message[];
  decoded: number[][];
  sought: number[];
  splices: number[][];
  reports: number[][];
  stats: Record<string, unknown>;
}

const REPORT_PULLS = 25;
const CLIP = speech();

/** Tells what it is asked for, in runs of frames, as the decoder that wrote the vectors. */
class LoggingDecoder extends ClipDecoder {
  pull = 0;
  readonly runs: number[][] = [];
  readonly sought = [0, 0];
  #lastPull = 0;

  override push(indices: Uint8Array | null): Float32Array {
    this.#log(indices === null ? -1 : numberOf(indices));
    return super.push(indices);
  }

  override seek(number: number): void {
    this.sought[0]! += number;
    this.sought[1]! += 1;
  }

  override reset(): void {
    this.#log(-2);
  }

  #log(what: number): void {
    const run = this.runs.at(-1);
    const follows = run !== undefined && this.pull - this.#lastPull <= 1;
    if (follows && what >= 0 && run[1]! >= 0 && run[1]! + run[2]! === what) run[2]! += 1;
    else this.runs.push([this.pull, what, 1]);
    this.#lastPull = this.pull;
  }
}

function framesOf([, sequence, timestamp, count, flags, first]: Message): AudioFrames {
  return {
    sequence,
    timestamp,
    indices: Array.from({ length: count }, (_, n) => indicesOf(first + n)),
    start: (flags & 1) !== 0,
    end: (flags & 2) !== 0,
    dtx: (flags & 4) !== 0,
    isCopy: (flags & 8) !== 0,
  };
}

describe.each(Object.entries(readJson<Record<string, Call>>("tests/web/vectors/playout.json")))(
  "%s",
  (_, call) => {
    const decoder = new LoggingDecoder(CLIP);
    const playout = new Playout(decoder, renamed(call.options) as Partial<PlayoutOptions>);
    const splices: number[][] = [];
    const reports: number[][] = [];
    let pieces: Float32Array[] = [];
    let put = 0;
    let [gone, come] = [0, 0];
    for (let pull = 0; pull < call.pulls; pull++) {
      const late = call.pull_jitter_s * (((pull * 7919) % 1000) / 1000);
      const now = pull * (call.block / SAMPLE_RATE) + late;
      for (; put < call.messages.length && call.messages[put]![0] <= now; put++)
        playout.put(framesOf(call.messages[put]!), call.messages[put]![0]);
      decoder.pull = pull;
      pieces.push(playout.pull(now, call.block));
      const stats = playout.stats();
      const [goneNow, comeNow] = [stats.acceleratedMs * 24, stats.expandedMs * 24];
      if (goneNow !== gone || comeNow !== come)
        splices.push([pull, Math.round(comeNow - come) - Math.round(goneNow - gone)]);
      [gone, come] = [goneNow, comeNow];
      if ((pull + 1) % REPORT_PULLS === 0) {
        const { targetDelayMs, actualDelayMs, jitterMs, driftPpm } = stats;
        const sound = project(concatenate(pieces));
        reports.push([pull, targetDelayMs, actualDelayMs, jitterMs, driftPpm, ...sound]);
        pieces = [];
      }
    }

    test("asks the decoder for the same frames at the same moments", () => {
      expect(decoder.runs).toEqual(call.decoded);
      expect(decoder.sought).toEqual(call.sought);
    });

    test("stretches at the same places by as much", () => expect(splices).toEqual(call.splices));

    test("finds the same delays", () =>
      expect(reports.map((report) => report.slice(0, 5))).toEqual(
        call.reports.map((report) => report.slice(0, 5)),
      ));

    test("sounds the same", () => {
      reports.forEach(([, , , , , ...sound], n) =>
        sound.forEach((sum, k) => expect(sum).toBeCloseTo(call.reports[n]![5 + k]!, 3)),
      );
    });

    test("counts the same", () => {
      const outside = { networkMs: 30, deviceMs: 20, processingMs: 10 };
      expect(playout.stats(outside)).toEqual(renamed(call.stats));
    });
  },
);

test("refuses a message without frames and numbers wider than 32 bits", () => {
  const playout = new Playout(new ClipDecoder(CLIP));
  const message = framesOf([0, 2 ** 32, 0, 1, 0, 0]);
  expect(() => playout.put(message, 0)).toThrow(/32-bit/);
  expect(() => playout.put({ ...message, sequence: 0, indices: [] }, 0)).toThrow(/no frames/);
});

test.each([
  [{ minimumDelayMs: 50, maximumDelayMs: 40 }, /50 to 40 ms/],
  [{ capacityFrames: 4 }, /capacityFrames is 4/],
  [{ fadeMs: 0 }, /positive/],
])("refuses %j", (options, sentence) => {
  expect(() => new Playout(new ClipDecoder(CLIP), options)).toThrow(sentence);
});

/** As late as where speech is refined. */
class LateDecoder extends ClipDecoder {
  override readonly delaySamples = 640;
}

/** Says 0.5 for every frame that came, so many samples later, and is silent without. */
class Trailing {
  readonly #toSay: number[];

  constructor(readonly delaySamples: number) {
    this.#toSay = new Array<number>(delaySamples / 320).fill(0);
  }

  push(indices: Uint8Array | null): Float32Array {
    this.#toSay.push(indices === null ? 0 : 0.5);
    return new Float32Array(320).fill(this.#toSay.shift()!);
  }

  seek(): void {}

  reset(): void {}
}

test.each([1, 2])("lets the end of a spurt be heard that comes %d frames later", (frames) => {
  const playout = new Playout(new Trailing(320 * frames), { startDelayMs: 0 });
  playout.put(framesOf([0, 0, 0, 30, 1 + 2, 0]), 0);
  const pulls = Array.from({ length: 80 }, (_, n) => playout.pull((n * 320) / SAMPLE_RATE, 320));
  const heard = [...concatenate(pulls)];
  const spoken = heard.flatMap((sample, n) => (Math.abs(sample) > 0.01 ? [n] : []));
  expect(playout.isEmpty).toBe(true);
  expect(Math.abs(spoken.at(-1)! - spoken[0]! + 1 - 30 * 320)).toBeLessThan(20);
});

test("splits the delay into its parts", () => {
  const playout = new Playout(new LateDecoder(CLIP));
  const parts: DelayParts = playout.stats({ networkMs: 5 }).delayP50;
  expect(parts).toEqual({
    codecMs: 40,
    packetisationMs: 0,
    networkMs: 5,
    jitterBufferMs: 0,
    deviceMs: 0,
    processingMs: 0,
  });
});
