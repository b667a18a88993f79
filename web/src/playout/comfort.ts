/** Comfort noise: stationary noise with the level and spectrum of the speaker's background. */
import { RealFft } from "../fft";
import { concatenate } from "../pcm";
import { Normals } from "./normals";

const FFT = 320;
const HOP = FFT / 2;
const BINS = FFT / 2 + 1;
const BATCH = 10; // hops synthesised at once
const WINDOW_FRAMES = 75; // minimum statistics over four windows of one second (Martin 2001)
const WINDOWS = 4;
const WARM_UP_FRAMES = 38; // half a second: before that, speech may pass for background
const QUIET_RATIO = 2.5; // a frame within 4 dB of the floor is background
const SILENCE = 1e-9; // mean square of -90 dBFS, below which all is quiet
const MAX_RMS = 0.02; // -34 dBFS: if speech was taken for background, it must not become loud noise

const ANALYSIS = Float64Array.from(
  { length: FFT },
  (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / FFT),
);
const ANALYSIS_POWER = ANALYSIS.reduce((sum, value) => sum + value * value, 0);
const SYNTHESIS = Float64Array.from({ length: FFT }, (_, n) =>
  Math.sin((Math.PI * (n + 0.5)) / FFT),
);

/**
 * Learns the background from decoded frames and continues it. Until a quiet frame was seen, the
 * noise is digital silence. The same seed and the same calls give the same noise.
 */
export class ComfortNoise {
  readonly #random: Normals;
  readonly #fft = new RealFft(FFT);
  #power: Float64Array | undefined; // mean |X|^2 per bin of quiet frames
  #learned = 0;
  #seen = 0;
  #low = Infinity;
  readonly #lows: number[] = [];
  #tail: Float64Array = new Float64Array(HOP);
  #ready = new Float32Array(0);

  constructor(seed = 0) {
    this.#random = new Normals(seed);
  }

  /** Level of the noise in dB relative to full scale; -infinity while it is silence. */
  get levelDb(): number {
    return 10 * Math.log10(this.#meanSquare());
  }

  /** Takes note of a decoded frame of 320 samples; true if it is background. */
  observe(pcm: Float32Array): boolean {
    let energy = 0;
    for (let n = 0; n < pcm.length; n++) energy += pcm[n]! * pcm[n]!;
    energy /= pcm.length;
    this.#seen++;
    this.#low = Math.min(this.#low, energy);
    if (this.#seen % WINDOW_FRAMES === 0) {
      this.#lows.push(this.#low);
      if (this.#lows.length > WINDOWS) this.#lows.shift();
      this.#low = Infinity;
    }
    if (energy > SILENCE) {
      if (this.#seen < WARM_UP_FRAMES) return false;
      if (energy > QUIET_RATIO * Math.min(this.#low, ...this.#lows)) return false;
    }
    this.#learn(pcm);
    return true;
  }

  #learn(pcm: Float32Array): void {
    const { re, im } = this.#fft.forward(ANALYSIS.map((weight, n) => weight * pcm[n]!));
    const power = re.map((each, k) => each * each + im[k]! * im[k]!);
    this.#learned++;
    const share = Math.max(0.05, 1 / this.#learned);
    this.#power = this.#power?.map((mean, k) => mean + (power[k]! - mean) * share) ?? power;
  }

  /** The next `samples` of noise. */
  generate(samples: number): Float32Array {
    if (this.#power === undefined) return new Float32Array(samples);
    while (this.#ready.length < samples)
      this.#ready = concatenate([this.#ready, this.#synthesise(this.#power)]);
    const noise = this.#ready.slice(0, samples);
    this.#ready = this.#ready.slice(samples);
    return noise;
  }

  #synthesise(power: Float64Array): Float32Array {
    // White noise of variance v has E|X|^2 = v * sum(window^2) under the analysis window.
    const limit = Math.min(1, MAX_RMS / Math.max(Math.sqrt(this.#meanSquare()), 1e-12));
    const gain = power.map((mean) => Math.sqrt(((mean / ANALYSIS_POWER) * FFT) / 2) * limit);
    const normals = new Float64Array(2 * BATCH * BINS); // all real parts, all imaginary parts
    for (let n = 0; n < normals.length; n++) normals[n] = this.#random.next() * gain[n % BINS]!;
    const out = new Float32Array(BATCH * HOP);
    for (let hop = 0; hop < BATCH; hop++) {
      const [at, imaginary] = [hop * BINS, (BATCH + hop) * BINS];
      const re = normals.subarray(at, at + BINS);
      const im = normals.subarray(imaginary, imaginary + BINS);
      const wave = this.#fft.backward({ re, im });
      for (let n = 0; n < FFT; n++) wave[n]! *= SYNTHESIS[n]!;
      for (let n = 0; n < HOP; n++) out[hop * HOP + n] = wave[n]! + this.#tail[n]!;
      this.#tail = wave.subarray(HOP);
    }
    return out;
  }

  #meanSquare(): number {
    if (this.#power === undefined) return 0;
    const sum = this.#power.reduce((total, mean) => total + mean, 0);
    const twoSided = 2 * sum - this.#power[0]! - this.#power[BINS - 1]!;
    return twoSided / (FFT * ANALYSIS_POWER);
  }
}
