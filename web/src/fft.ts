/** The discrete Fourier transform of real windows, of any even size with small prime factors. */

/** Bins 0 to size / 2 of a window. */
export interface Spectrum {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/**
 * The real transform by a complex one of half the size: even samples are the real part, odd ones
 * the imaginary (Press et al., Numerical Recipes, 12.3). Not normalised forward, by 1 / size
 * backward, as NumPy's `rfft` and `irfft`.
 */
export class RealFft {
  readonly size: number;
  readonly #half: ComplexFft;
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;

  constructor(size: number) {
    if (size < 2 || size % 2)
      throw new RangeError(`the window has ${size} samples, expected an even number`);
    this.size = size;
    this.#half = new ComplexFft(size / 2);
    const angles = Float64Array.from({ length: size / 2 + 1 }, (_, k) => (-2 * Math.PI * k) / size);
    this.#cos = angles.map(Math.cos);
    this.#sin = angles.map(Math.sin);
  }

  /** `size` samples -> `size / 2 + 1` bins. */
  forward(samples: ArrayLike<number>): Spectrum {
    const half = this.size / 2;
    const z = this.#half;
    for (let n = 0; n < half; n++) z.put(n, samples[2 * n]!, samples[2 * n + 1]!);
    z.transform();
    const re = new Float64Array(half + 1);
    const im = new Float64Array(half + 1);
    for (let k = 0; k <= half; k++) {
      const a = k % half;
      const b = (half - k) % half;
      // The spectra of even and odd samples, apart again.
      const evenRe = (z.re[a]! + z.re[b]!) / 2;
      const evenIm = (z.im[a]! - z.im[b]!) / 2;
      const oddRe = (z.im[a]! + z.im[b]!) / 2;
      const oddIm = (z.re[b]! - z.re[a]!) / 2;
      re[k] = evenRe + this.#cos[k]! * oddRe - this.#sin[k]! * oddIm;
      im[k] = evenIm + this.#cos[k]! * oddIm + this.#sin[k]! * oddRe;
    }
    return { re, im };
  }

  /** `size / 2 + 1` bins -> `size` samples. */
  backward({ re, im }: Spectrum): Float64Array {
    const half = this.size / 2;
    const z = this.#half;
    for (let k = 0; k < half; k++) {
      const b = half - k;
      // irfft takes no imaginary part of the first and the last bin.
      const imA = k === 0 ? 0 : im[k]!;
      const imB = k === 0 ? 0 : im[b]!;
      const evenRe = (re[k]! + re[b]!) / 2;
      const evenIm = (imA - imB) / 2;
      const differenceRe = (re[k]! - re[b]!) / 2;
      const differenceIm = (imA + imB) / 2;
      const oddRe = differenceRe * this.#cos[k]! + differenceIm * this.#sin[k]!;
      const oddIm = differenceIm * this.#cos[k]! - differenceRe * this.#sin[k]!;
      // Conjugated, since backward is forward between two conjugations.
      z.put(k, evenRe - oddIm, -(evenIm + oddRe));
    }
    z.transform();
    const samples = new Float64Array(this.size);
    for (let n = 0; n < half; n++) {
      samples[2 * n] = z.re[n]! / half;
      samples[2 * n + 1] = -z.im[n]! / half;
    }
    return samples;
  }
}

/**
 * In place, by decimation in time (Cooley and Tukey 1965): each stage joins as many spectra as its
 * factor says to a longer one. The last stages, which turn the most, are those of factor 4.
 */
class ComplexFft {
  readonly re: Float64Array;
  readonly im: Float64Array;
  readonly #size: number;
  readonly #factors: readonly number[]; // of the stages, from single numbers upwards
  readonly #places: Uint32Array; // where the first stage wants each number
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;
  readonly #joinedRe: Float64Array; // of one bin of the spectra that are joined
  readonly #joinedIm: Float64Array;

  constructor(size: number) {
    this.#size = size;
    this.re = new Float64Array(size);
    this.im = new Float64Array(size);
    this.#factors = factorsOf(size).reverse();
    this.#places = new Uint32Array(size);
    inOrder(size, [...this.#factors].reverse()).forEach((n, place) => (this.#places[n] = place));
    const angles = Float64Array.from({ length: size }, (_, k) => (-2 * Math.PI * k) / size);
    this.#cos = angles.map(Math.cos);
    this.#sin = angles.map(Math.sin);
    this.#joinedRe = new Float64Array(Math.max(1, ...this.#factors));
    this.#joinedIm = new Float64Array(this.#joinedRe.length);
  }

  /** Before {@link transform}: the `n`-th number. */
  put(n: number, re: number, im: number): void {
    const place = this.#places[n]!;
    this.re[place] = re;
    this.im[place] = im;
  }

  /** Of what was put, to `re` and `im`. */
  transform(): void {
    let part = 1;
    for (const factor of this.#factors) {
      for (let at = 0; at < this.#size; at += part * factor)
        if (factor === 4) this.#joinFour(at, part);
        else this.#join(at, part, factor);
      part *= factor;
    }
  }

  /** Four spectra of `part` bins, one after the other, become one of four times as many. */
  #joinFour(at: number, part: number): void {
    const { re, im } = this;
    const cos = this.#cos;
    const sin = this.#sin;
    const stride = this.#size / (4 * part);
    for (let k = 0; k < part; k++) {
      const a = at + k;
      const b = a + part;
      const c = b + part;
      const d = c + part;
      const turn = k * stride;
      const bRe = re[b]! * cos[turn]! - im[b]! * sin[turn]!;
      const bIm = re[b]! * sin[turn]! + im[b]! * cos[turn]!;
      const cRe = re[c]! * cos[2 * turn]! - im[c]! * sin[2 * turn]!;
      const cIm = re[c]! * sin[2 * turn]! + im[c]! * cos[2 * turn]!;
      const dRe = re[d]! * cos[3 * turn]! - im[d]! * sin[3 * turn]!;
      const dIm = re[d]! * sin[3 * turn]! + im[d]! * cos[3 * turn]!;
      const sumRe = re[a]! + cRe;
      const sumIm = im[a]! + cIm;
      const differenceRe = re[a]! - cRe;
      const differenceIm = im[a]! - cIm;
      re[a] = sumRe + bRe + dRe;
      im[a] = sumIm + bIm + dIm;
      re[b] = differenceRe + bIm - dIm;
      im[b] = differenceIm - bRe + dRe;
      re[c] = sumRe - bRe - dRe;
      im[c] = sumIm - bIm - dIm;
      re[d] = differenceRe - bIm + dIm;
      im[d] = differenceIm + bRe - dRe;
    }
  }

  /** The same of any number of spectra, by the formula. */
  #join(at: number, part: number, factor: number): void {
    const re = this.#joinedRe;
    const im = this.#joinedIm;
    const stride = this.#size / (factor * part);
    for (let k = 0; k < part; k++) {
      for (let q = 0; q < factor; q++) {
        const from = at + q * part + k;
        const cos = this.#cos[q * k * stride]!;
        const sin = this.#sin[q * k * stride]!;
        re[q] = this.re[from]! * cos - this.im[from]! * sin;
        im[q] = this.re[from]! * sin + this.im[from]! * cos;
      }
      for (let r = 0; r < factor; r++) {
        let sumRe = 0;
        let sumIm = 0;
        for (let q = 0; q < factor; q++) {
          const turn = ((q * r) % factor) * (this.#size / factor);
          const cos = this.#cos[turn]!;
          const sin = this.#sin[turn]!;
          sumRe += re[q]! * cos - im[q]! * sin;
          sumIm += re[q]! * sin + im[q]! * cos;
        }
        this.re[at + r * part + k] = sumRe;
        this.im[at + r * part + k] = sumIm;
      }
    }
  }
}

/** 4 as often as it goes, then primes, ascending. */
function factorsOf(size: number): number[] {
  const factors = [];
  let rest = size;
  for (; rest % 4 === 0; rest /= 4) factors.push(4);
  for (let factor = 2; rest > 1; factor++)
    for (; rest % factor === 0; rest /= factor) factors.push(factor);
  return factors;
}

/** The numbers below `size` as stages of these factors, the last stage's first, want them. */
function inOrder(size: number, [factor, ...rest]: readonly number[]): number[] {
  if (factor === undefined) return [0];
  const inner = inOrder(size / factor, rest);
  return Array.from({ length: factor }, (_, r) => inner.map((n) => n * factor + r)).flat();
}
