/** The constant offset that cheap sound cards and old recordings have, at the start of a stream. */

// An offset that the codec begins with in silence; speech has less in a frame.
const HARMLESS = 0.05;
const DECAY_S = 0.2;

/**
 * Lets an offset come in slowly: as a step it would be a bang. What is subtracted is the first
 * frame's mean beyond .05 of full scale, and it decays; streams without an offset are left exactly
 * as they are.
 */
export class StartOffset {
  readonly #decay: number;
  #offset: number | null = null;

  constructor(sampleRate: number) {
    this.#decay = Math.exp(-1 / (DECAY_S * sampleRate));
  }

  /** The next frame. */
  remove(frame: Float32Array): Float32Array {
    if (this.#offset === null) {
      const mean = frame.reduce((sum, sample) => sum + sample, 0) / frame.length;
      this.#offset = Math.sign(mean) * Math.max(0, Math.abs(mean) - HARMLESS);
    }
    const offset = this.#offset;
    if (Math.abs(offset) < 1e-4) return frame;
    this.#offset = offset * this.#decay ** frame.length;
    return frame.map((sample, n) => sample - Math.fround(offset * this.#decay ** n));
  }
}
