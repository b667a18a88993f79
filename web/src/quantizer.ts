/**
 * Noise shaping: what rounding takes from a frame, the next frames give back. The twin of
 * `q2d2_stream/quantizer.py`, which draws and explains it; only the sender does this.
 */
import { InputError, ModelError } from "./errors";
import type { Lattice } from "./lattice";

/** Frames whose errors are heard of. */
export const LAGS = 2;

/**
 * Latents to indices, frame by frame, with a memory of the last errors. Sums are of float32
 * products, exact in float64, so that every machine finds the same indices.
 */
export class NoiseShaper {
  readonly #lattice: Lattice;
  readonly #limit: Float32Array;
  readonly #feedback: readonly Float64Array[];
  #errors: Float64Array[];

  /**
   * @param feedback share of the errors, one frame before and two, `(LAGS, D)`; null for none
   * @throws ModelError for another shape, or what is not finite
   */
  constructor(lattice: Lattice, feedback: readonly (readonly number[])[] | null = null) {
    const dims = lattice.levels.length;
    this.#lattice = lattice;
    this.#limit = Float32Array.from(lattice.scale);
    this.#errors = silent(dims);
    if (feedback === null) {
      this.#feedback = silent(dims);
      return;
    }
    this.#feedback = feedback.map((row) => Float64Array.from(row, (share) => Math.fround(share)));
    const fits = (row: Float64Array): boolean => row.length === dims && row.every(Number.isFinite);
    if (feedback.length !== LAGS || !this.#feedback.every(fits))
      throw new ModelError(
        `the model's feedback does not have ${LAGS} rows of ${dims} finite numbers: export it ` +
          "again with this version of q2d2-stream",
      );
  }

  /** Forget the past: the next frame is the first of a stream. */
  reset(): void {
    this.#errors = silent(this.#lattice.levels.length);
  }

  /**
   * The next frame's indices.
   *
   * @param latent of all pairs, grid units, D of them
   * @returns D / 2 indices
   * @throws InputError for a latent that is not finite; the frame then counts for nothing
   */
  quantize(latent: Float32Array): Uint8Array {
    const [last, before] = this.#errors as [Float64Array, Float64Array];
    const [first, second] = this.#feedback as [Float64Array, Float64Array];
    const target = new Float32Array(latent.length);
    for (let d = 0; d < target.length; d++) {
      const wanted = Math.fround(latent[d]! + (last[d]! * first[d]! + before[d]! * second[d]!));
      if (!Number.isFinite(wanted))
        throw new InputError(
          "the latent holds NaN, infinite or huge numbers, expected finite ones",
        );
      const limit = this.#limit[d]!;
      target[d] = Math.max(-limit, Math.min(limit, wanted));
    }
    const indices = this.#lattice.nearest(target);
    const points = this.#lattice.point(indices);
    // Python's difference is one of float32 numbers.
    this.#errors = [Float64Array.from(target, (t, d) => Math.fround(t - points[d]!)), last];
    return indices;
  }
}

function silent(dims: number): Float64Array[] {
  return Array.from({ length: LAGS }, () => new Float64Array(dims));
}
