/** The discrete Fourier transform of sizes with small factors, such as 320. */

/** Spectra of real signals of one size. */
export class RealFft {
  readonly size: number;
  readonly #factors: number[];
  readonly #cosine: Float64Array;
  readonly #sine: Float64Array;
  readonly #inRe: Float64Array;
  readonly #inIm: Float64Array;
  readonly #outRe: Float64Array;
  readonly #outIm: Float64Array;

  constructor(size: number) {
    this.size = size;
    this.#factors = factorsOf(size);
    const angle = (n: number): number => (-2 * Math.PI * n) / size;
    this.#cosine = Float64Array.from({ length: size }, (_, n) => Math.cos(angle(n)));
    this.#sine = Float64Array.from({ length: size }, (_, n) => Math.sin(angle(n)));
    this.#inRe = new Float64Array(size);
    this.#inIm = new Float64Array(size);
    this.#outRe = new Float64Array(size);
    this.#outIm = new Float64Array(size);
  }

  /** |X|^2 of `size` real samples, for the `size / 2 + 1` bins from 0 to half the sample rate. */
  power(samples: ArrayLike<number>): Float64Array {
    this.#inRe.set(samples);
    this.#inIm.fill(0);
    this.#transform(this.size, 1, 0, 0, 0);
    return Float64Array.from(
      { length: this.size / 2 + 1 },
      (_, k) => this.#outRe[k]! ** 2 + this.#outIm[k]! ** 2,
    );
  }

  /**
   * The `size` real samples whose spectrum is given by its `size / 2 + 1` bins. The imaginary parts
   * of the first and the last are nothing in a real signal and are not looked at.
   */
  inverse(re: ArrayLike<number>, im: ArrayLike<number>): Float64Array {
    const half = this.size / 2;
    // The conjugate spectrum goes forwards: for a real signal that is the way back.
    for (let k = 0; k <= half; k++) {
      const mirror = (this.size - k) % this.size;
      const imaginary = k % half === 0 ? 0 : im[k]!;
      this.#inRe[k] = this.#inRe[mirror] = re[k]!;
      this.#inIm[mirror] = imaginary;
      this.#inIm[k] = -imaginary;
    }
    this.#transform(this.size, 1, 0, 0, 0);
    return this.#outRe.map((value) => value / this.size);
  }

  /** Decimation in time: `n` inputs `stride` apart to `n` outputs side by side. */
  #transform(n: number, stride: number, from: number, to: number, depth: number): void {
    const [outRe, outIm] = [this.#outRe, this.#outIm];
    if (n === 1) {
      outRe[to] = this.#inRe[from]!;
      outIm[to] = this.#inIm[from]!;
      return;
    }
    const radix = this.#factors[depth]!;
    const part = n / radix;
    for (let r = 0; r < radix; r++)
      this.#transform(part, stride * radix, from + r * stride, to + r * part, depth + 1);
    const re = new Float64Array(radix);
    const im = new Float64Array(radix);
    for (let k = 0; k < part; k++) {
      for (let r = 0; r < radix; r++) {
        re[r] = outRe[to + r * part + k]!;
        im[r] = outIm[to + r * part + k]!;
      }
      for (let q = 0; q < radix; q++) {
        const bin = q * part + k;
        let sumRe = 0;
        let sumIm = 0;
        for (let r = 0; r < radix; r++) {
          const turn = (r * bin * stride) % this.size;
          const [cosine, sine] = [this.#cosine[turn]!, this.#sine[turn]!];
          sumRe += re[r]! * cosine - im[r]! * sine;
          sumIm += re[r]! * sine + im[r]! * cosine;
        }
        outRe[to + bin] = sumRe;
        outIm[to + bin] = sumIm;
      }
    }
  }
}

function factorsOf(size: number): number[] {
  const factors: number[] = [];
  for (let rest = size, factor = 2; rest > 1; ) {
    if (rest % factor === 0) {
      factors.push(factor);
      rest /= factor;
    } else factor++;
  }
  return factors;
}
