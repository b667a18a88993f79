/** When to stretch: the delay may leave its target by a band, and splices keep their distance. */

// The delay may leave its target by this much before it is corrected (hysteresis): wider above,
// where it costs some delay, than below, where it costs frames.
const ABOVE_S = 0.02;
const ABOVE_SHARE = 0.1;
const BELOW_S = 0.006;
const STRETCH_SHARE = 0.15; // of speech that may be left out or repeated
const STRETCH_SHARE_QUIET = 0.5;

/** What to do to the next samples: shorten, leave alone, lengthen. */
export type Direction = -1 | 0 | 1;

/** Steers the delay of one stream to its target; told of every frame and of every splice. */
export class StretchController {
  #direction: Direction = 0;
  #holdSamples = 0; // until the next splice

  /** What was under way ends, as at a pause: the delay is set anew after it. */
  stop(): void {
    this.#direction = 0;
  }

  /**
   * What to do to the next `samples` samples, given the delay less its target and that target, in
   * seconds.
   */
  direction(excessS: number, targetS: number, samples: number): Direction {
    if (excessS > Math.max(ABOVE_S, ABOVE_SHARE * targetS)) this.#direction = -1;
    else if (excessS < -BELOW_S) this.#direction = 1;
    else if (excessS * this.#direction >= 0) this.#direction = 0; // at the target, or past it
    this.#holdSamples = Math.max(0, this.#holdSamples - samples);
    return this.#holdSamples > 0 ? 0 : this.#direction;
  }

  /** So many samples were left out or repeated, of background only if `quiet`. */
  stretched(samples: number, quiet: boolean): void {
    this.#holdSamples = Math.trunc(samples / (quiet ? STRETCH_SHARE_QUIET : STRETCH_SHARE));
  }
}
