/** Levels of bands and gains of bins. The twin of `q2d2_stream/refinement/bands.py`. */
import { RealFft, type Spectrum } from "../fft";

export const BANDS = 40;

const LOWEST_HZ = 50;
const TOP_HZ = 8000;
const FLOOR = 3e-4; // magnitude of a bin below which all is silence
const LIMIT = 3; // largest log gain, in nepers: 26 dB

function hzToErbRate(hz: number): number {
  return 21.4 * Math.log10(1 + 0.00437 * hz);
}

function erbRateToHz(rate: number): number {
  return (10 ** (rate / 21.4) - 1) / 0.00437;
}

/**
 * The 40 bands of windows of two hops: triangles equally spaced on the ERB-rate scale (Glasberg and
 * Moore 1990) from 50 Hz to 8 kHz. A bin belongs to one band and the next, with shares that sum to
 * one; the last band goes on to the end.
 */
export class Bands {
  /** Square root of a Hann window: before and after, halves add up to one. */
  readonly window: Float32Array;

  readonly #fft: RealFft;
  /** The lower of a bin's two bands, and the share of the upper one. */
  readonly #band: Uint8Array;
  readonly #share: Float64Array;
  readonly #floor: Float64Array;

  constructor(sampleRate: number, hop: number) {
    const size = 2 * hop;
    this.#fft = new RealFft(size);
    const lowest = hzToErbRate(LOWEST_HZ);
    const step = (hzToErbRate(TOP_HZ) - lowest) / BANDS;
    const edges = Array.from(
      { length: BANDS + 1 },
      (_, n) => (erbRateToHz(lowest + n * step) * size) / sampleRate, // in bins
    );
    const middles = edges.slice(1).map((edge, n) => (edge + edges[n]!) / 2);
    this.#band = new Uint8Array(hop + 1);
    this.#share = new Float64Array(hop + 1);
    this.#floor = new Float64Array(BANDS);
    for (let bin = 0; bin <= hop; bin++) {
      const above = middles.findIndex((middle) => middle > bin);
      if (above === -1) {
        this.#band[bin] = BANDS - 2;
        this.#share[bin] = 1;
      } else if (above > 0) {
        this.#band[bin] = above - 1;
        this.#share[bin] = (bin - middles[above - 1]!) / (middles[above]! - middles[above - 1]!);
      }
      this.#addTo(this.#floor, bin, FLOOR ** 2 * BANDS);
    }
    this.window = Float32Array.from({ length: size }, (_, n) => Math.sin((Math.PI * n) / size));
  }

  #addTo(bands: Float64Array, bin: number, value: number): void {
    const band = this.#band[bin]!;
    const share = this.#share[bin]!;
    bands[band]! += (1 - share) * value;
    bands[band + 1]! += share * value;
  }

  /** Samples of a window, two hops -> its spectrum, `hop + 1` bins. */
  spectrum(samples: Float32Array): Spectrum {
    return this.#fft.forward(samples.map((sample, n) => sample * this.window[n]!));
  }

  /**
   * Samples of a window less the straight line that fits them best: an offset, and rumble below
   * speech, would leak into the lowest bands.
   */
  withoutLine(samples: Float32Array): Float32Array {
    const middle = (samples.length - 1) / 2;
    let sum = 0;
    let slope = 0;
    let squares = 0;
    samples.forEach((sample, n) => {
      sum += sample;
      slope += sample * (n - middle);
      squares += (n - middle) ** 2;
    });
    const mean = sum / samples.length;
    return samples.map((sample, n) => sample - mean - (slope / squares) * (n - middle));
  }

  /** Log levels of a spectrum, 40, in nepers. */
  levels({ re, im }: Spectrum): Float64Array {
    const powers = Float64Array.from(this.#floor);
    for (let bin = 0; bin < re.length; bin++)
      this.#addTo(powers, bin, re[bin]! ** 2 + im[bin]! ** 2);
    return powers.map((power) => 0.5 * Math.log(power));
  }

  /** Log errors, 40, in nepers -> factors of the spectrum. */
  gains(error: Float32Array): Float64Array {
    const limited = error.map((each) => Math.max(-LIMIT, Math.min(LIMIT, each)));
    return this.#share.map((share, bin) => {
      const band = this.#band[bin]!;
      return Math.exp((1 - share) * limited[band]! + share * limited[band + 1]!);
    });
  }

  /** A spectrum -> samples to be added up with those of the next window, two hops. */
  samples(spectrum: Spectrum): Float32Array {
    const samples = this.#fft.backward(spectrum);
    return this.window.map((weight, n) => weight * samples[n]!);
  }
}
