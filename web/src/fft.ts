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
    const even = new Float64Array(half);
    const odd = new Float64Array(half);
    for (let n = 0; n < half; n++) {
      even[n] = samples[2 * n]!;
      odd[n] = samples[2 * n + 1]!;
    }
    const z = this.#half.transform({ re: even, im: odd });
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
    const z = { re: new Float64Array(half), im: new Float64Array(half) };
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
      z.re[k] = evenRe - oddIm;
      z.im[k] = -(evenIm + oddRe);
    }
    const out = this.#half.transform(z);
    const samples = new Float64Array(this.size);
    for (let n = 0; n < half; n++) {
      samples[2 * n] = out.re[n]! / half;
      samples[2 * n + 1] = -out.im[n]! / half;
    }
    return samples;
  }
}

/** Decimation in time (Cooley and Tukey 1965), factors of 4 first. */
class ComplexFft {
  readonly #size: number;
  readonly #factors: readonly number[];
  readonly #re: Float64Array; // of one bin of the spectra that are joined
  readonly #im: Float64Array;
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;

  constructor(size: number) {
    this.#size = size;
    this.#factors = factorsOf(size);
    this.#re = new Float64Array(Math.max(1, ...this.#factors));
    this.#im = new Float64Array(this.#re.length);
    const angles = Float64Array.from({ length: size }, (_, k) => (-2 * Math.PI * k) / size);
    this.#cos = angles.map(Math.cos);
    this.#sin = angles.map(Math.sin);
  }

  transform(input: Spectrum): Spectrum {
    const output = { re: new Float64Array(this.#size), im: new Float64Array(this.#size) };
    this.#step(input, 0, 1, output, 0, this.#size, 0);
    return output;
  }

  /** Every `stride`-th of the input from `from` on, `size` of them, to the output from `to` on. */
  #step(
    input: Spectrum,
    from: number,
    stride: number,
    output: Spectrum,
    to: number,
    size: number,
    depth: number,
  ): void {
    if (size === 1) {
      output.re[to] = input.re[from]!;
      output.im[to] = input.im[from]!;
      return;
    }
    const factor = this.#factors[depth]!;
    const part = size / factor;
    for (let q = 0; q < factor; q++)
      this.#step(input, from + q * stride, stride * factor, output, to + q * part, part, depth + 1);
    if (factor === 4) this.#joinFour(output, to, part, stride);
    else this.#join(output, to, part, stride, factor);
  }

  /** Four spectra of `part` bins, one after the other, become one of four times as many. */
  #joinFour({ re, im }: Spectrum, to: number, part: number, stride: number): void {
    const cos = this.#cos;
    const sin = this.#sin;
    for (let k = 0; k < part; k++) {
      const a = to + k;
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
  #join(output: Spectrum, to: number, part: number, stride: number, factor: number): void {
    const re = this.#re;
    const im = this.#im;
    for (let k = 0; k < part; k++) {
      for (let q = 0; q < factor; q++) {
        const at = to + q * part + k;
        const cos = this.#cos[q * k * stride]!;
        const sin = this.#sin[q * k * stride]!;
        re[q] = output.re[at]! * cos - output.im[at]! * sin;
        im[q] = output.re[at]! * sin + output.im[at]! * cos;
      }
      for (let r = 0; r < factor; r++) {
        let sumRe = 0;
        let sumIm = 0;
        for (let q = 0; q < factor; q++) {
          const angle = ((q * r) % factor) * (this.#size / factor);
          const cos = this.#cos[angle]!;
          const sin = this.#sin[angle]!;
          sumRe += re[q]! * cos - im[q]! * sin;
          sumIm += re[q]! * sin + im[q]! * cos;
        }
        output.re[to + r * part + k] = sumRe;
        output.im[to + r * part + k] = sumIm;
      }
    }
  }
}

function factorsOf(size: number): number[] {
  const factors = [];
  let rest = size;
  for (; rest % 4 === 0; rest /= 4) factors.push(4);
  for (let factor = 2; rest > 1; factor++)
    for (; rest % factor === 0; rest /= factor) factors.push(factor);
  return factors;
}
