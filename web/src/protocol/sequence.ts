/** Sequence numbers modulo 2**32, and the window that finds duplicates among them. */

export const WINDOW_FRAMES = 2048;
/** Frames that a sender may drop in a row: six minutes at 75 per second. */
export const MAX_AHEAD_FRAMES = 27_000;

const MASK = (1n << BigInt(WINDOW_FRAMES)) - 1n;

/** `sequence + frames` modulo 2**32. */
export function add(sequence: number, frames: number): number {
  return (sequence + frames) >>> 0;
}

/** How far `last` is after `first`, -2**31 to 2**31 - 1. */
export function distance(first: number, last: number): number {
  return (last - first) | 0;
}

/** What the window says of some frames. */
export type Verdict = "new" | "duplicate" | "out of window";

/** Remembers which of the last 2048 frames came, as IPsec's replay window (RFC 4303) does. */
export class SequenceWindow {
  #highest: number | null = null;
  #seen = 0n; // bit i: frame highest - i came

  /** Highest sequence number received, or expected just before the first; null at first. */
  get highest(): number | null {
    return this.#highest;
  }

  /** Forget everything; the next frame will be about `sequence`. */
  restart(sequence: number): void {
    this.#highest = add(sequence, -1);
    this.#seen = 0n;
  }

  /** Whether `sequence` could be the next frame of the same sender. */
  isNear(sequence: number): boolean {
    if (this.#highest === null) return false;
    const ahead = distance(this.#highest, sequence);
    return ahead > -WINDOW_FRAMES && ahead <= MAX_AHEAD_FRAMES;
  }

  /** Judge `frames` (1 or more) frames from `sequence`, and remember them when new. */
  accept(sequence: number, frames: number): Verdict {
    if (this.#highest === null) this.restart(sequence);
    const last = add(sequence, frames - 1);
    const before = this.#highest ?? 0;
    if (!(this.isNear(sequence) && this.isNear(last))) return "out of window";
    const ahead = Math.max(0, distance(before, last));
    // past the window's length every bit has left it
    const seen = ahead < WINDOW_FRAMES ? this.#seen << BigInt(ahead) : 0n;
    const highest = add(before, ahead);
    const block = ((1n << BigInt(frames)) - 1n) << BigInt(distance(last, highest));
    if (seen & block) return "duplicate";
    this.#highest = highest;
    this.#seen = (seen | block) & MASK;
    return "new";
  }
}
