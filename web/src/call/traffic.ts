/** Bit rates and counts over all connections of a call. */
import { Kind, type ReceiverReport, Role } from "../protocol";
import { add, distance } from "../protocol/sequence";
import { type Kbps, WebSocketLink, WireMeter } from "../sending";
import type { Channel } from "./channel";

/** What the playout tells the sender on the other side. */
export interface Heard {
  /** Frames missing when they were to be played, since the call began. */
  readonly lost: number;
  readonly jitterMs: number;
  readonly actualDelayMs: number;
  readonly driftPpm: number;
}

/** `now` in seconds. */
export class Traffic {
  readonly link: WebSocketLink;
  readonly #sent: WireMeter;
  readonly #received: WireMeter;
  #receivedMessages = 0;
  #receivedFrames = 0;
  #rttMinS: number | null = null;
  #reported: { readonly sequence: number; readonly frames: number } | null = null;

  /** `isSecure`: `wss:` rather than `ws:`. */
  constructor(isSecure: boolean, now: number) {
    this.link = new WebSocketLink(Role.CLIENT, isSecure);
    this.#sent = new WireMeter(this.link, now);
    this.#received = new WireMeter(this.link.reversed, now);
  }

  /** Bytes sent, headers counted. */
  get sentBytes(): number {
    return this.#sent.wireBytes;
  }

  /** Bytes received, headers counted. */
  get receivedBytes(): number {
    return this.#received.wireBytes;
  }

  /** Messages received. */
  get receivedMessages(): number {
    return this.#receivedMessages;
  }

  /** Least round trip in seconds; null before the first. */
  get rttMinS(): number | null {
    return this.#rttMinS;
  }

  /** Over the last five seconds. */
  kbps(now: number): { readonly sent: Kbps; readonly received: Kbps } {
    return { sent: this.#sent.kbps(now), received: this.#received.kbps(now) };
  }

  /** A message goes out. */
  countSent(messageBytes: number, now: number): void {
    this.#sent.count(messageBytes, now);
  }

  /** Do something with a channel, and count the indices that it sends and the frames that it reads. */
  measure<T>(channel: Channel, now: number, act: () => T): T {
    const { sentPayloadBytes, receivedPayloadBytes, receivedFrames } = channel.counters;
    const result = act();
    const { counters, rttS } = channel;
    this.#sent.countPayload(counters.sentPayloadBytes - sentPayloadBytes, now);
    this.#received.countPayload(counters.receivedPayloadBytes - receivedPayloadBytes, now);
    this.#receivedFrames += counters.receivedFrames - receivedFrames;
    if (rttS !== null) this.#rttMinS = Math.min(rttS, this.#rttMinS ?? rttS);
    return result;
  }

  /** A message came in. */
  countReceived(messageBytes: number, now: number): void {
    this.#receivedMessages += 1;
    this.#received.count(messageBytes, now);
  }

  /** What the peer is to be told; `sequence`: the highest that came. */
  report(heard: Heard, sequence: number): ReceiverReport {
    const frames = this.#receivedFrames;
    const last = this.#reported;
    this.#reported = { sequence, frames };
    const expected = last === null ? 0 : distance(last.sequence, sequence);
    const share = last === null || expected <= 0 ? 1 : (frames - last.frames) / expected;
    return {
      kind: Kind.REPORT,
      sequence,
      received: add(frames, 0),
      lost: add(heard.lost, 0),
      loss: Math.max(0, 1 - share),
      jitterMs: heard.jitterMs,
      delayMs: heard.actualDelayMs,
      driftPpm: heard.driftPpm,
    };
  }

  /** The peer's stream begins anew. */
  restart(): void {
    this.#reported = null;
  }
}
