/**
 * Clock drift: by how much two sound cards disagree about the length of a second.
 *
 * Messages are only ever late, never early, so the drift shows in the lower envelope of (arrival -
 * sender time): one minimum per 2.5 s, and the median of the slopes between minima that lie half a
 * minute to a few minutes apart (Theil-Sen on the envelope). A change of route is a step that few
 * of those pairs straddle, so the median does not see it.
 *
 * The estimate keeps the base of the delay true over long pauses, and is reported. What the drift
 * does to the delay is corrected by stretching, about once in half a minute.
 */

const SEGMENT_S = 2.5;
const SEGMENTS = 120; // five minutes
const LAGS = [12, 24, 48, 72]; // segments between the two ends of a slope: 30 s to 3 min
const LIMIT_PPM = 500; // crystals stay within 200; more is a queue that grows, not a clock

interface Minimum {
  readonly time: number;
  readonly lateness: number;
}

/** Drift of a media clock against the clock that `now` is read from. */
export class DriftEstimator {
  #minima: Minimum[] = [];
  #start: number | undefined;
  #low: Minimum = { time: 0, lateness: 0 };
  #ppm = 0;

  /** Forgets everything, for a media clock that starts anew. */
  reset(): void {
    this.#minima = [];
    this.#start = undefined;
    this.#ppm = 0;
  }

  /** Parts per million by which the media clock is fast; 0 until half a minute has passed. */
  get ppm(): number {
    return this.#ppm;
  }

  /**
   * Takes one observation: the media time `mediaS` was seen at `now`, both in seconds.
   * Observations may be late by any amount; the envelope takes care of it.
   */
  put(mediaS: number, now: number): void {
    const lateness = now - mediaS;
    if (this.#start === undefined) {
      this.#start = now;
      this.#low = { time: now, lateness };
    } else if (now - this.#start >= SEGMENT_S) {
      this.#minima.push(this.#low);
      if (this.#minima.length > SEGMENTS) this.#minima.shift();
      this.#estimate();
      this.#start = now;
      this.#low = { time: now, lateness };
    } else if (lateness < this.#low.lateness) {
      this.#low = { time: now, lateness };
    }
  }

  #estimate(): void {
    const minima = this.#minima;
    if (minima.length <= LAGS[0]!) return;
    // The longest two lags that the history allows: precise, and still many pairs.
    const lags = LAGS.filter((lag) => lag < minima.length).slice(-2);
    const slopes = lags.flatMap((lag) =>
      minima.slice(lag).map((later, n) => {
        const earlier = minima[n]!;
        return (later.lateness - earlier.lateness) / (later.time - earlier.time);
      }),
    );
    const ppm = -1e6 * median(slopes);
    this.#ppm = Math.min(Math.max(ppm, -LIMIT_PPM), LIMIT_PPM);
  }
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
