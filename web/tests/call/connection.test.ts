/** A connection on a clock of its own: what it does when relays come, go and say nothing. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Connection, type ConnectionOptions, type Socket } from "../../src/call/connection";
import { Dialer } from "../../src/call/dialer";
import type { CallEvent } from "../../src/call/events";
import { CodecConfig } from "../../src/config";
import { InputError } from "../../src/errors";
import { Writer, bytesOfText } from "../../src/protocol/fields";
import { RoomLink } from "../../src/rooms";
import { RoomKind } from "../../src/rooms/messages";

const CONFIG = new CodecConfig();
const MODEL = {
  config: CONFIG,
  modelId: "a model",
  modelHash: new Uint8Array(8),
  rates: [0, 1, 2, 3],
  coder: null,
};
const ENDPOINT = { models: [MODEL], framesPerMessage: 1, dtx: false, secret: null };
const LINK = RoomLink.create("http://127.0.0.1:1", "http://127.0.0.1:2");

/** What a relay does with somebody who comes. */
type Relay = "lets in" | "is down" | "hangs";

/** A websocket to a relay that lives in the test. */
class FakeSocket implements Socket {
  binaryType = "";
  bufferedAmount = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { readonly data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly sent: Uint8Array[] = [];
  isClosed = false;

  constructor(readonly url: string, relay: Relay) {
    if (relay === "hangs") return;
    setTimeout(() => (relay === "is down" ? this.break() : this.#letIn()), 1);
  }

  #letIn(): void {
    this.onopen?.();
    const challenge = new Writer().u8(RoomKind.CHALLENGE).bytes(bytesOfText("Q2RM")).u8(1);
    this.tell(challenge.bytes(new Uint8Array(32)).done());
  }

  send(data: Uint8Array): void {
    this.sent.push(data);
    if (data[0] === RoomKind.JOIN) {
      const nonces = [data.slice(-16), new Uint8Array(16).fill(7)];
      this.tell(Uint8Array.of(RoomKind.WELCOME, ...nonces.flatMap((nonce) => [...nonce])));
    }
  }

  tell(data: Uint8Array): void {
    this.onmessage?.({ data: data.slice().buffer });
  }

  break(): void {
    this.isClosed = true;
    this.onclose?.();
  }

  close(): void {
    this.isClosed = true;
  }
}

let sockets: FakeSocket[];
let events: CallEvent[];
let relays: Record<string, Relay>;

function connection(options: Partial<ConnectionOptions> = {}): Connection {
  const connect = (url: string): Socket => {
    sockets.push(new FakeSocket(url, relays[url] ?? "is down"));
    return sockets.at(-1)!;
  };
  const clock = (): number => Date.now() / 1000;
  const target = { kind: "room", link: LINK, name: "Ann" } as const;
  const all = { endpoint: ENDPOINT, rate: 2, connect, clock, ...options };
  return new Connection(target, all, (event) => events.push(event));
}

function states(): string[] {
  return events.flatMap((event) => (event.type === "state" ? [event.state] : []));
}

function controls(socket: FakeSocket): number {
  return socket.sent.filter((data) => data[0] === RoomKind.CONTROL).length;
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  events = [];
  relays = { "ws://127.0.0.1:1/room": "lets in", "ws://127.0.0.1:2/room": "lets in" };
});

afterEach(() => {
  vi.useRealTimers();
});

test("tries the relays in turn, once when nobody waits", () => {
  relays = {};
  connection().start();
  vi.advanceTimersByTime(10);
  expect(sockets.map((socket) => socket.url.at(-6))).toEqual(["1", "2"]);
  expect(events.map(({ type }) => type)).toEqual(["state", "trouble", "state", "ended"]);
  expect(events.at(-1)).toMatchObject({ problem: "unreachable", byPeer: false });
});

test("a relay that hangs is given five seconds", () => {
  relays["ws://127.0.0.1:1/room"] = "hangs";
  const it = connection();
  it.start();
  vi.advanceTimersByTime(4_990);
  expect(sockets).toHaveLength(1);
  vi.advanceTimersByTime(20);
  expect(sockets[0]!.isClosed).toBe(true);
  expect(it.state).toBe("on");
});

test("goes to the other relay when one breaks, and everybody is new there", () => {
  const it = connection();
  it.start();
  vi.advanceTimersByTime(10);
  const joined = { type: "joined", member: 0x07070707 };
  expect(events).toContainEqual(joined);
  events = [];
  relays["ws://127.0.0.1:1/room"] = "is down";
  sockets[0]!.break();
  vi.advanceTimersByTime(10);
  expect(states()).toEqual(["reconnecting", "on"]);
  expect(events[0]).toMatchObject({ type: "trouble", problem: "lost" });
  expect(events[1]).toEqual({ type: "left", member: 0x07070707 });
  expect(events).toContainEqual(joined);
  expect(it.stats().connections).toBe(2);
  expect(sockets.at(-1)!.url).toContain(":2/");
});

test("leaves a relay that is about to stop for the next one", () => {
  const it = connection();
  it.start();
  vi.advanceTimersByTime(10);
  sockets[0]!.tell(Uint8Array.of(RoomKind.MOVED));
  vi.advanceTimersByTime(10);
  expect(sockets.map((socket) => socket.url.at(-6))).toEqual(["1", "2"]);
  expect(sockets[0]!.isClosed).toBe(true);
  expect(it.state).toBe("on");
});

test("comes back for as long as it may, and then says why not", () => {
  const it = connection({ returnS: 10 });
  it.start();
  vi.advanceTimersByTime(10);
  relays = {};
  sockets[0]!.break();
  vi.advanceTimersByTime(7_000); // no pause begins that ends after ten seconds
  expect(it.state).toBe("reconnecting");
  // Both in turn, with pauses of a quarter of a second to two seconds between.
  expect(sockets.length).toBeGreaterThan(8);
  expect(sockets.length).toBeLessThan(24);
  vi.advanceTimersByTime(4_000);
  expect(it.state).toBe("ended");
  expect(events.at(-1)).toMatchObject({ type: "ended", problem: "unreachable" });
  const tried = sockets.length;
  vi.advanceTimersByTime(60_000);
  expect(sockets).toHaveLength(tried);
});

test("a relay that says nothing more is silent, and after fifteen seconds lost", () => {
  const it = connection();
  it.start();
  vi.advanceTimersByTime(3_000);
  expect(it.state).toBe("on");
  vi.advanceTimersByTime(500);
  expect(it.state).toBe("silent");
  vi.advanceTimersByTime(11_700);
  expect(states()).toEqual(["connecting", "on", "silent", "reconnecting", "on"]);
});

test("that the microphone is muted is told, and told again elsewhere", () => {
  const it = connection();
  it.setMuted(true);
  it.start();
  vi.advanceTimersByTime(10);
  expect(controls(sockets[0]!)).toBe(2); // who this is, and that it is muted
  it.setMuted(true);
  expect(controls(sockets[0]!)).toBe(2);
  it.setMuted(false);
  expect(controls(sockets[0]!)).toBe(3);
  it.setMuted(true);
  sockets[0]!.break();
  vi.advanceTimersByTime(10);
  expect(controls(sockets[1]!)).toBe(2);
});

test("nothing happens any more after hanging up, whenever that is", () => {
  relays["ws://127.0.0.1:1/room"] = "hangs";
  const waiting = connection();
  waiting.start();
  waiting.hangUp();
  waiting.hangUp();
  expect(states()).toEqual(["connecting", "ended"]);
  sockets[0]!.onopen?.();
  vi.advanceTimersByTime(60_000);
  expect(sockets).toHaveLength(1);
  expect(events).toHaveLength(3);

  relays = {};
  const pausing = connection({ waitS: 60 });
  pausing.start();
  vi.advanceTimersByTime(100);
  pausing.hangUp();
  const tried = sockets.length;
  vi.advanceTimersByTime(60_000);
  expect(sockets).toHaveLength(tried);
});

test("frames wait half a second for a connection, and go with their numbers", () => {
  const it = connection();
  const row = (): Uint8Array => new Uint8Array(CONFIG.ladder[2]!.pairs);
  expect(it.encoding).toBeNull();
  it.push(null, false);
  it.start();
  vi.advanceTimersByTime(10);
  expect(it.encoding).toMatchObject({ rate: 2 });
  const say = (frames: number): void => {
    for (let n = 0; n < frames; n += 1) {
      it.push(row(), true);
      vi.advanceTimersByTime(13);
    }
  };
  say(3);
  expect(it.stats().counters?.sentFrames).toBe(3);
  expect(it.stats().sent.wire).toBeGreaterThan(it.stats().sent.codec);
  relays = {};
  sockets[0]!.break();
  say(50);
  expect(it.stats()).toMatchObject({ queuedFrames: 38, droppedFrames: 12, state: "reconnecting" });
  relays = { "ws://127.0.0.1:1/room": "lets in" };
  vi.advanceTimersByTime(2_500);
  expect(it.state).toBe("on");
  say(1);
  // What is older than a tenth of a second is of no use to anybody.
  expect(it.stats()).toMatchObject({ queuedFrames: 0, droppedFrames: 12 + 30 });
  expect(it.stats().counters?.sentFrames).toBe(9);
});

test("where the websocket is full nothing is put behind it", () => {
  const it = connection();
  it.start();
  vi.advanceTimersByTime(10);
  sockets[0]!.bufferedAmount = 50;
  it.push(new Uint8Array(6), true);
  expect(it.stats()).toMatchObject({ queuedFrames: 1 });
  sockets[0]!.bufferedAmount = 0;
  vi.advanceTimersByTime(13);
  it.push(new Uint8Array(6), true);
  expect(it.stats()).toMatchObject({ queuedFrames: 0 });
});

test("an address that is none, or not allowed, is one that cannot be reached", () => {
  const connect = (url: string): Socket => {
    if (url.includes(":1/")) throw new SyntaxError("not an address");
    return new FakeSocket(url, "lets in");
  };
  const it = connection({ connect });
  it.start();
  vi.advanceTimersByTime(10);
  expect(events[1]).toMatchObject({ type: "trouble", problem: "unreachable" });
  expect(it.state).toBe("on");
});

test("a cap must be one", () => {
  expect(() => connection({ maxKbps: 0 })).toThrow(InputError);
  expect(() => connection().setRate(2, -1)).toThrow(InputError);
});

describe("pauses between tries", () => {
  test("grow to the longest, and begin anew", () => {
    const dialer = new Dialer(["a"], 4);
    dialer.begin(1e9);
    const pauses = Array.from({ length: 7 }, () => dialer.failed(0)!);
    [0.25, 0.5, 1, 2, 4, 4, 4].forEach((pause, at) => {
      expect(pauses[at]).toBeGreaterThanOrEqual(0.8 * pause);
      expect(pauses[at]).toBeLessThanOrEqual(1.2 * pause);
    });
    dialer.begin(10);
    expect(dialer.failed(0)).toBeLessThanOrEqual(0.3);
    expect(dialer.failed(9.9)).toBeNull();
  });

  test("come after all addresses have failed", () => {
    const dialer = new Dialer(["a", "b", "c"], 2);
    dialer.begin(10);
    const tried = [1, 2, 3, 4].map(() => [dialer.url, dialer.failed(0)! > 0]);
    expect(tried).toEqual([["a", false], ["b", false], ["c", true], ["a", false]]);
  });
});
