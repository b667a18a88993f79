/** Round-trip time from pings and pongs. */

const MAX_OUTSTANDING = 16;
const U64 = 1n << 64n;

/** Makes pings, takes pongs and tells the time between; `now` in seconds. */
export class RoundTrip {
  readonly #sent = new Map<bigint, number>();
  #rttS: number | null = null;

  /** Latest round-trip time in seconds; null before the first pong. */
  get rttS(): number | null {
    return this.#rttS;
  }

  /** Age in seconds of the oldest ping without an answer; 0 when there is none. */
  unansweredS(now: number): number {
    for (const sentAt of this.#sent.values()) return Math.max(0, now - sentAt);
    return 0;
  }

  /** The time of a ping to send at `now`, in microseconds. */
  ping(now: number): bigint {
    let timeUs = BigInt(Math.max(0, Math.round(now * 1e6))) % U64;
    while (this.#sent.has(timeUs)) timeUs += 1n;
    this.#sent.set(timeUs, now);
    if (this.#sent.size > MAX_OUTSTANDING) this.#forgetOldest();
    return timeUs;
  }

  /** Take an answer; false when no such ping is outstanding. */
  pong(timeUs: bigint, heldUs: number, now: number): boolean {
    const sentAt = this.#sent.get(timeUs);
    if (sentAt === undefined) return false;
    // The stream keeps its order: an answer also settles the pings before it.
    while (this.#sent.has(timeUs)) this.#forgetOldest();
    this.#rttS = Math.max(0, now - sentAt - heldUs / 1e6);
    return true;
  }

  #forgetOldest(): void {
    for (const timeUs of this.#sent.keys()) {
      this.#sent.delete(timeUs);
      return;
    }
  }
}
