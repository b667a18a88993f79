/** How many bits per second go over the wire, and how many of them are the codec's. */
import type { WebSocketLink } from "./link";

const WINDOW_S = 5;

interface Second {
  readonly second: number;
  codecBits: number;
  wireBits: number;
}

/** Kilobits per second of one direction. */
export interface Kbps {
  /** The codec's, as they were coded. */
  readonly codec: number;
  /** All of them, headers counted. */
  readonly wire: number;
}

/**
 * Codec and wire bit rate of one direction, over the last five seconds and in total; `now` is in
 * seconds from any monotonic origin.
 */
export class WireMeter {
  readonly #link: WebSocketLink;
  readonly #started: number;
  #seconds: Second[] = [];
  #codecBits = 0;
  #wireBits = 0;

  constructor(link: WebSocketLink, now: number) {
    this.#link = link;
    this.#started = now;
  }

  /** Bytes on the wire since the meter was made. */
  get wireBytes(): number {
    return Math.floor(this.#wireBits / 8);
  }

  /** Bytes of indices since the meter was made. */
  get codecBytes(): number {
    return this.#codecBits / 8;
  }

  /** Count a message of that length. */
  count(messageBytes: number, now: number): void {
    const bits = this.#link.wireBits(messageBytes);
    this.#wireBits += bits;
    this.#second(now).wireBits += bits;
  }

  /** Count indices in messages, which are the codec's: their length, coded or packed. */
  countPayload(payloadBytes: number, now: number): void {
    this.#codecBits += 8 * payloadBytes;
    this.#second(now).codecBits += 8 * payloadBytes;
  }

  /** Over the last five whole seconds and the one that runs. */
  kbps(now: number): Kbps {
    const first = Math.max(this.#started, Math.floor(now) - WINDOW_S);
    const perKbps = 1000 * Math.max(1, now - first);
    let codec = 0;
    let wire = 0;
    for (const entry of this.#seconds) {
      if (entry.second + 1 <= first) continue;
      codec += entry.codecBits;
      wire += entry.wireBits;
    }
    return { codec: codec / perKbps, wire: wire / perKbps };
  }

  #second(now: number): Second {
    const second = Math.floor(now);
    const last = this.#seconds.at(-1);
    if (last !== undefined && last.second >= second) return last;
    const entry = { second, codecBits: 0, wireBits: 0 };
    this.#seconds = [...this.#seconds.slice(-WINDOW_S), entry];
    return entry;
  }
}
