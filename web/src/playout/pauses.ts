/** From speech to the background and back: what is heard while nothing is decoded. */
import { FRAME_SAMPLES } from "../pcm";
import { ComfortNoise } from "./comfort";

/** What the playout needs of a codec's decoder. */
export interface Decoder {
  /** By how much its output trails the sender's sound now: it may grow when a rate changes. */
  readonly delaySamples: number;
  /** Decodes one frame, or conceals a lost one (null), to 320 samples. */
  push(indices: Uint8Array | null): Float32Array;
  /** Says which of the sender's frames comes next, lost ones counted. */
  seek(number: number): void;
  /** Forgets the past. */
  reset(): void;
}

/** Decodes, and cross-fades with comfort noise at equal power where speech begins or ends. */
export class Pauses {
  /** Of the decoder, 0 to 1; the rest is comfort noise. */
  gain = 1;
  /** Samples of pauses. */
  noiseSamples = 0;
  readonly #decoder: Decoder;
  readonly #noise: ComfortNoise;
  #isFresh = true; // the decoder has not been used since its first reset
  #tail = 0; // frames of a spurt that the decoder still holds

  /** `decoder` is freshly reset; `seed` is the noise's. */
  constructor(decoder: Decoder, seed: number) {
    this.#decoder = decoder;
    this.#noise = new ComfortNoise(seed);
  }

  /** Another stream follows: it begins out of the noise. */
  restart(): void {
    this.#tail = 0;
    this.gain = this.#isFresh ? 1 : 0;
  }

  /** Of the decoder. */
  get delaySamples(): number {
    return this.#decoder.delaySamples;
  }

  /** Whether the decoder still holds the end of a spurt. */
  get hasTail(): boolean {
    return this.#tail > 0;
  }

  /** A pause begins; with `hasTail` the end of what was said is yet to be heard. */
  begin(hasTail: boolean): void {
    this.#tail = hasTail ? Math.floor(this.delaySamples / FRAME_SAMPLES) : 0;
  }

  /** One frame as the decoder makes it; `number` is its number, unless it was lost. */
  decode(indices: Uint8Array | null, number?: number): Float32Array {
    this.#isFresh = false;
    if (number !== undefined) this.#decoder.seek(number);
    return this.#decoder.push(indices);
  }

  /** Learns the background from a frame that was received; whether it was background. */
  observe(pcm: Float32Array): boolean {
    return this.#noise.observe(pcm);
  }

  /** A pause is over. */
  end(): void {
    // After a pause the decoder's state is of another time; its initial one is sound.
    if (!this.hasTail && !this.#isFresh) this.#decoder.reset();
    this.#tail = 0;
  }

  /** The next piece of a pause, of 1 to 320 samples. */
  generate(samples: number): Float32Array {
    let noise = this.#noise.generate(samples);
    if (this.hasTail) {
      // The decoder trails by a frame or two: its next concealments are the end of the spurt.
      this.#tail = samples === FRAME_SAMPLES ? this.#tail - 1 : 0;
      const goal = (this.gain * this.#tail) / (this.#tail + 1);
      const tail = this.#decoder.push(null);
      const step = (goal - this.gain) / samples;
      noise = noise.map((value, n) => {
        const fall = Math.fround(this.gain + n * step);
        return tail[n]! * fall + value * Math.sqrt(1 - fall * fall);
      });
      this.gain = goal;
    }
    this.noiseSamples += samples;
    return noise;
  }

  /** `pcm` with its gain going to `goal` in `ramp` samples, noise in its place. */
  fade(pcm: Float32Array, goal: number, ramp: number): Float32Array {
    if (this.gain === goal && goal === 1) return pcm;
    const [start, step] = [this.gain, (goal - this.gain) / ramp];
    const noise = this.#noise.generate(pcm.length);
    this.gain = goal;
    return pcm.map((value, n) => {
      const gain = Math.fround(n < ramp ? start + n * step : goal);
      return value * gain + noise[n]! * Math.sqrt(1 - gain * gain);
    });
  }
}
