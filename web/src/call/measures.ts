/** Small measures of a running call. */

const KEPT = 500;

/** How long something takes, of the last 500 times. */
export class Durations {
  readonly #ms = new Float64Array(KEPT);
  #count = 0;

  /** Does it, and counts how long it took. */
  measure<T>(what: () => T): T {
    const begun = performance.now();
    const result = what();
    this.#ms[this.#count % KEPT] = performance.now() - begun;
    this.#count += 1;
    return result;
  }

  /** Median and 95th percentile in milliseconds; zeros before the first. */
  percentiles(): readonly [number, number] {
    const count = Math.min(this.#count, KEPT);
    if (count === 0) return [0, 0];
    const sorted = this.#ms.slice(0, count).sort();
    return [sorted[Math.floor(count / 2)]!, sorted[Math.floor(0.95 * count)]!];
  }
}

/** The share of frames that were missing lately. */
export class LossWindow {
  readonly #entries: { received: number; lost: number }[] = [];
  readonly #length: number;

  /** @param length how many calls of `percent` it looks back */
  constructor(length = 50) {
    this.#length = length;
  }

  /** Takes the counts since the beginning; the per cent that were lost within the window. */
  percent(received: number, lost: number): number {
    const first = this.#entries[0] ?? { received: 0, lost: 0 };
    this.#entries.push({ received, lost });
    if (this.#entries.length > this.#length) this.#entries.shift();
    const missing = Math.max(0, lost - first.lost);
    const all = Math.max(0, received - first.received) + missing;
    return all === 0 ? 0 : (100 * missing) / all;
  }
}
