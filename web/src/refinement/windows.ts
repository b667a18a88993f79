/**
 * Both ends of the closed loop, a frame at a time: pure functions of (input, state). The twin of
 * `q2d2_stream/refinement/windows.py`; docs/topics/refinement.md draws it.
 */
import type { Spectrum } from "../fft";
import { BANDS, Bands } from "./bands";

const HELD_FRAMES = 3; // for how many lost windows the last error is held: 40 ms
const HELD_SHARE = Math.fround(0.7); // what each of them keeps of it
const SMOOTHED_BINS = 33; // that sharpening averages over
const TINY = 1e-12;

/** What the sender remembers. */
export interface MeterState {
  /** The last two frames. */
  readonly original: Float32Array;
  /** The last frame. */
  readonly decoded: Float32Array;
}

/** The sender's end: how far the levels of what the receiver decodes are off. */
export class ErrorMeter {
  readonly #bands: Bands;
  readonly #hop: number;

  constructor(sampleRate: number, hop: number) {
    this.#bands = new Bands(sampleRate, hop);
    this.#hop = hop;
  }

  /** The state before the first frame. */
  initialState(): MeterState {
    const { length } = this.#bands.window;
    return { original: new Float32Array(length), decoded: new Float32Array(this.#hop) };
  }

  /**
   * Compare one more frame.
   *
   * @param original the frame that was just encoded
   * @param decoded what the decoder made of its points, one frame behind
   * @returns the error of the window that ends with `decoded`, 40 in nepers, to be added to the
   *     decoded levels; and the state after it
   */
  step(
    original: Float32Array,
    decoded: Float32Array,
    state: MeterState,
  ): { error: Float32Array; state: MeterState } {
    const levelsOf = (samples: Float32Array): Float64Array =>
      this.#bands.levels(this.#bands.spectrum(this.#bands.withoutLine(samples)));
    const wanted = levelsOf(state.original);
    const got = levelsOf(joined(state.decoded, decoded));
    return {
      error: Float32Array.from(wanted, (level, band) => level - got[band]!),
      state: { original: joined(state.original.subarray(this.#hop), original), decoded },
    };
  }

  /** The state after a frame that was not compared. */
  skip(original: Float32Array, state: MeterState): MeterState {
    return { ...state, original: joined(state.original.subarray(this.#hop), original) };
  }
}

/** What the receiver remembers. */
export interface RefinerState {
  /** The last frame. */
  readonly decoded: Float32Array;
  /** Second half of the last window. */
  readonly tail: Float32Array;
  /** The last error that came, or what is left of it. */
  readonly error: Float32Array;
  /** Frames for which it is held yet. */
  readonly toHold: number;
}

/** The receiver's end: decoded speech, its levels mended, one frame later. */
export class Refiner {
  /** What a window keeps of its second half where nothing is changed, a hop. */
  readonly fall: Float32Array;

  readonly #bands: Bands;
  readonly #hop: number;
  readonly #sharpening: number;

  constructor(sampleRate: number, hop: number, sharpening = 0) {
    this.#bands = new Bands(sampleRate, hop);
    this.#hop = hop;
    this.#sharpening = sharpening;
    this.fall = this.#bands.window.slice(hop).map((each) => each * each);
  }

  /** The state before the first frame. */
  initialState(): RefinerState {
    const silence = new Float32Array(this.#hop);
    return { decoded: silence, tail: silence, error: new Float32Array(BANDS), toHold: 0 };
  }

  /**
   * Refine one more frame.
   *
   * @param decoded the newest frame
   * @param error as it came with that frame, 40 in nepers; null where none came
   * @param lost none came because its packet is lost: a falling share of the last one is held
   * @returns the frame before `decoded`, refined; and the state after it
   */
  step(
    decoded: Float32Array,
    error: Float32Array | null,
    state: RefinerState,
    lost = false,
  ): { refined: Float32Array; state: RefinerState } {
    let toHold = HELD_FRAMES;
    if (error === null) {
      toHold = lost ? state.toHold - 1 : 0;
      const share = lost && state.toHold > 0 ? HELD_SHARE : 0;
      error = state.error.map((each) => each * share);
    }
    const spectrum = this.#bands.spectrum(joined(state.decoded, decoded));
    scale(spectrum, this.#bands.gains(error));
    if (this.#sharpening && error.some((each) => each !== 0))
      scale(
        spectrum,
        awayFromMean(spectrum).map((each) => Math.exp(this.#sharpening * each)),
      );
    const samples = this.#bands.samples(spectrum);
    return {
      refined: state.tail.map((each, n) => each + samples[n]!),
      state: { decoded, tail: samples.slice(this.#hop), error, toHold: Math.max(0, toHold) },
    };
  }
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

function scale({ re, im }: Spectrum, factors: Float64Array): void {
  for (let bin = 0; bin < re.length; bin++) {
    re[bin]! *= factors[bin]!;
    im[bin]! *= factors[bin]!;
  }
}

/** How far log magnitudes are from their mean over neighbouring bins; the edges are repeated. */
function awayFromMean({ re, im }: Spectrum): Float64Array {
  const half = SMOOTHED_BINS >> 1;
  const log = re.map((each, bin) => 0.5 * Math.log(each ** 2 + im[bin]! ** 2 + TINY));
  const at = (bin: number): number => log[Math.max(0, Math.min(log.length - 1, bin))]!;
  let sum = 0;
  for (let bin = -half; bin <= half; bin++) sum += at(bin);
  return log.map((each, bin) => {
    const away = each - sum / SMOOTHED_BINS;
    sum += at(bin + half + 1) - at(bin - half);
    return away;
  });
}
