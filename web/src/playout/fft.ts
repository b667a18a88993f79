/** The discrete Fourier transform of sizes with small factors, such as 320. */

/** Spectra of real signals of one even size. */
export class RealFft {
  readonly size: number;
  readonly #factors: readonly number[]; // of the stages, from single samples upwards
  readonly #order: Uint16Array; // which sample goes where before the first stage
  readonly #cosine: Float64Array;
  readonly #sine: Float64Array;
  readonly #re: Float64Array;
  readonly #im: Float64Array;
  readonly #inRe: Float64Array;
  readonly #inIm: Float64Array;

  constructor(size: number) {
    this.size = size;
    this.#factors = factorsOf(size).reverse();
    this.#order = Uint16Array.from(scattered(size, [...this.#factors].reverse()));
    const angle = (n: number): number => (-2 * Math.PI * n) / size;
    this.#cosine = Float64Array.from({ length: size }, (_, n) => Math.cos(angle(n)));
    this.#sine = Float64Array.from({ length: size }, (_, n) => Math.sin(angle(n)));
    this.#re = new Float64Array(size);
    this.#im = new Float64Array(size);
    this.#inRe = new Float64Array(size);
    this.#inIm = new Float64Array(size);
  }

  /** |X|^2 of `size` real samples, for the `size / 2 + 1` bins from 0 to half the sample rate. */
  power(samples: ArrayLike<number>): Float64Array {
    this.#inRe.set(samples);
    this.#inIm.fill(0);
    this.#transform();
    const power = new Float64Array(this.size / 2 + 1);
    for (let k = 0; k < power.length; k++)
      power[k] = this.#re[k]! * this.#re[k]! + this.#im[k]! * this.#im[k]!;
    return power;
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
    this.#transform();
    return this.#re.map((value) => value / this.size);
  }

  /** Decimation in time: each stage joins as many spectra as its factor says to a longer one. */
  #transform(): void {
    for (let n = 0; n < this.size; n++) {
      this.#re[n] = this.#inRe[this.#order[n]!]!;
      this.#im[n] = this.#inIm[this.#order[n]!]!;
    }
    let part = 1;
    for (const factor of this.#factors) {
      for (let at = 0; at < this.size; at += part * factor)
        if (factor === 2) this.#joinTwo(at, part);
        else this.#join(at, part, factor);
      part *= factor;
    }
  }

  /** The spectra of `part` bins at `at` and behind it. */
  #joinTwo(at: number, part: number): void {
    const re = this.#re;
    const im = this.#im;
    const cosine = this.#cosine;
    const sine = this.#sine;
    const stride = this.size / (2 * part);
    for (let k = at; k < at + part; k++) {
      const c = cosine[(k - at) * stride]!;
      const s = sine[(k - at) * stride]!;
      const turnedRe = re[k + part]! * c - im[k + part]! * s;
      const turnedIm = re[k + part]! * s + im[k + part]! * c;
      re[k + part] = re[k]! - turnedRe;
      im[k + part] = im[k]! - turnedIm;
      re[k]! += turnedRe;
      im[k]! += turnedIm;
    }
  }

  /** The spectra of `part` bins at `at` and behind it, `factor` of them. */
  #join(at: number, part: number, factor: number): void {
    const stride = this.size / (factor * part);
    const re = this.#re.slice(at, at + part * factor);
    const im = this.#im.slice(at, at + part * factor);
    for (let bin = 0; bin < part * factor; bin++) {
      let sumRe = 0;
      let sumIm = 0;
      for (let r = 0; r < factor; r++) {
        const turn = (r * bin * stride) % this.size;
        const c = this.#cosine[turn]!;
        const s = this.#sine[turn]!;
        const from = r * part + (bin % part);
        sumRe += re[from]! * c - im[from]! * s;
        sumIm += re[from]! * s + im[from]! * c;
      }
      this.#re[at + bin] = sumRe;
      this.#im[at + bin] = sumIm;
    }
  }
}

/** Prime factors, ascending. */
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

/** The numbers below `size` as stages of these factors, the last stage's first, want them. */
function scattered(size: number, [factor, ...rest]: readonly number[]): number[] {
  if (factor === undefined) return [0];
  const inner = scattered(size / factor, rest);
  return Array.from({ length: factor }, (_, r) => inner.map((n) => n * factor + r)).flat();
}
