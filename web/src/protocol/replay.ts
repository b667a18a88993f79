/** Counters that travel cut short, and the window that lets each of them pass once. */

export const COUNTER_BITS = 14;
export const REPLAY_WINDOW = 2048;

const SPAN = 1 << COUNTER_BITS;
const MASK = (1n << BigInt(REPLAY_WINDOW)) - 1n;

/** The counter nearest to `near` that ends in the 14 bits `low`; it may be negative. */
export function unwrap(low: number, near: number): number {
  const ahead = (((low - near) % SPAN) + SPAN) % SPAN;
  return near + (ahead < SPAN / 2 ? ahead : ahead - SPAN);
}

/**
 * Remembers which of the last 2048 counters were seen, as IPsec does (RFC 4303, 3.4.3). Counters
 * are whole numbers below 2**53: a call of 75 messages a second gets there after a million years.
 */
export class ReplayWindow {
  #highest: number;
  #seen = 0n; // bit i: counter highest - i was seen

  /** `expected`: about the first counter that will come. */
  constructor(expected: number) {
    this.#highest = expected - 1;
  }

  /** Highest counter seen; one less than expected before the first. */
  get highest(): number {
    return this.#highest;
  }

  /** Whether `counter` was not seen and is not too old to tell. */
  isNew(counter: number): boolean {
    const behind = this.#highest - counter;
    return behind < 0 || (behind < REPLAY_WINDOW && !((this.#seen >> BigInt(behind)) & 1n));
  }

  /** Remember a new counter; only one that was authenticated may move the window. */
  add(counter: number): void {
    const ahead = counter - this.#highest;
    if (ahead > 0) {
      const kept = ahead < REPLAY_WINDOW ? this.#seen << BigInt(ahead) : 0n;
      this.#seen = (kept | 1n) & MASK;
      this.#highest = counter;
    } else {
      this.#seen |= 1n << BigInt(-ahead);
    }
  }
}
