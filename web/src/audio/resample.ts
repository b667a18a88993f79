/**
 * Changing the sample rate of a stream: a polyphase filter under a Kaiser window, exact for any
 * ratio of whole numbers (48, 44.1, 32 or 16 kHz to 24 kHz and back).
 *
 * What comes out does not depend on the blocks that go in. Nothing is heard before 32 samples of
 * the lower rate have followed it, 1.3 ms at 24 kHz. Aliases and images are below -85 dB; between
 * 0.83 and 1 of half the lower rate the response falls.
 */
import { InputError } from "../errors";

const CROSSINGS = 32; // of the lower rate, on either side
const ROLL_OFF = 0.92; // -6 dB here, as a share of half the lower rate
const BETA = 9; // of the window: its side lobes are 90 dB down

/** Mono samples in at one rate, out at another; equal rates pass the samples through untouched. */
export class Resampler {
  readonly inRate: number;
  readonly outRate: number;
  readonly #up: number;
  readonly #down: number;
  readonly #half: number; // inputs on either side of an output
  readonly #phases: readonly Float32Array[];
  #held: Float32Array; // inputs that are still needed, oldest first
  #start = 0; // of the next output's inputs, within those held
  #phase = 0;

  /** Throws InputError for rates that are not whole and positive, or of no simple ratio. */
  constructor(inRate: number, outRate: number) {
    if (![inRate, outRate].every((rate) => Number.isInteger(rate) && rate > 0))
      throw new InputError(`rates are ${inRate} and ${outRate} Hz, expected whole, positive ones`);
    this.inRate = inRate;
    this.outRate = outRate;
    const divisor = greatestCommonDivisor(inRate, outRate);
    this.#up = outRate / divisor;
    this.#down = inRate / divisor;
    if (this.#up > 1000)
      throw new InputError(`${inRate} to ${outRate} Hz is no simple ratio, expected common rates`);
    const reach = CROSSINGS * Math.max(1, inRate / outRate);
    this.#half = inRate === outRate ? 0 : Math.ceil(reach);
    this.#phases = filters(this.#up, this.#down, this.#half, reach);
    // The first output lies on the first input, before which all was silence.
    this.#held = new Float32Array(Math.max(0, this.#half - 1));
  }

  /** By how much the output trails the input, in milliseconds. */
  get delayMs(): number {
    return (1e3 * this.#half) / this.inRate;
  }

  /** Takes samples; the output that they complete: a new array unless the rates are equal. */
  push(pcm: Float32Array): Float32Array {
    if (this.#half === 0) return pcm;
    const held = new Float32Array(this.#held.length + pcm.length);
    held.set(this.#held);
    held.set(pcm, this.#held.length);
    const taps = 2 * this.#half;
    const room = held.length - taps - this.#start;
    const ready = room < 0 ? 0 : Math.ceil(((room + 1) * this.#up - this.#phase) / this.#down);
    const out = new Float32Array(ready);
    let [start, phase] = [this.#start, this.#phase];
    for (let n = 0; n < ready; n++) {
      const filter = this.#phases[phase]!;
      let sum = 0;
      for (let k = 0; k < taps; k++) sum += held[start + k]! * filter[k]!;
      out[n] = sum;
      phase += this.#down;
      start += Math.floor(phase / this.#up);
      phase %= this.#up;
    }
    this.#phase = phase;
    const done = Math.min(start, held.length);
    this.#held = held.slice(done);
    this.#start = start - done;
    return out;
  }
}

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b);

/** One filter per position of an output between two inputs, each of `2 * half` taps. */
function filters(up: number, down: number, half: number, reach: number): Float32Array[] {
  const cutoff = ROLL_OFF * Math.min(1, up / down); // as a share of half the input rate
  return Array.from({ length: up }, (_, phase) =>
    Float32Array.from({ length: 2 * half }, (_, k) => {
      // Inputs lie at k - (half - 1) from the one at or before the output.
      const distance = phase / up - (k - (half - 1));
      if (Math.abs(distance) > reach) return 0;
      return cutoff * sinc(cutoff * distance) * kaiser(distance / reach);
    }),
  );
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Kaiser's window, at -1 to 1. */
const kaiser = (x: number): number => bessel0(BETA * Math.sqrt(1 - x * x)) / bessel0(BETA);

/** The modified Bessel function of order 0. */
function bessel0(x: number): number {
  let sum = 1;
  for (let term = 1, k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
