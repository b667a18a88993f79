/** The speaker's clock: when the next pulled sample will sound, free of the callbacks' jitter. */

const GAIN = 0.02; // follows within 50 pulls; 200 ppm of drift leave an error of 0.1 ms
const JUMP_S = 0.1; // a device that stood still for longer than this did not play meanwhile

/** A first-order loop that follows the times of the pulls. */
export class PullClock {
  readonly #sampleRate: number;
  #time: number | undefined;

  constructor(sampleRate: number) {
    this.#sampleRate = sampleRate;
  }

  /** Smoothed time of a pull of `samples` at `now`, in seconds. */
  pull(now: number, samples: number): number {
    const expected = this.#time;
    const time =
      expected === undefined || Math.abs(now - expected) > JUMP_S
        ? now
        : expected + GAIN * (now - expected);
    this.#time = time + samples / this.#sampleRate;
    return time;
  }
}
