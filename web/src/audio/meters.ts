/** How loud it is, and a mute switch that does not click. */
import { SAMPLE_RATE } from "../pcm";

const FLOOR_DB = -90; // below the step of 16-bit samples
const RMS_S = 0.3; // the integration time of a VU meter
const PEAK_DB_PER_S = 20; // the fall-back of a peak programme meter
const CLIPPED = 0.999;

/** What a meter shows. */
export interface Level {
  /** Power over the last 0.3 s or so, -90 to 0 dB of full scale. */
  readonly rmsDb: number;
  /** Highest sample, falling back by 20 dB per second, -90 dB or more. */
  readonly peakDb: number;
  /** Samples at or beyond full scale so far. */
  readonly clippedSamples: number;
}

/**
 * A level in dB relative to full scale, moving as meters do. A full-scale square wave has an RMS
 * level of 0 dB, a full-scale sine -3.01.
 */
export class LevelMeter implements Level {
  clippedSamples = 0;
  readonly #sampleRate: number;
  #power = 0;
  #peakDb = FLOOR_DB;

  constructor(sampleRate = SAMPLE_RATE) {
    this.#sampleRate = sampleRate;
  }

  /** Measures samples. */
  push(pcm: Float32Array): void {
    if (pcm.length === 0) return;
    const seconds = pcm.length / this.#sampleRate;
    let [energy, peak] = [0, 0];
    for (const sample of pcm) {
      const magnitude = Math.abs(sample);
      energy += sample * sample;
      peak = Math.max(peak, magnitude);
      if (magnitude >= CLIPPED) this.clippedSamples++;
    }
    const keep = Math.exp(-seconds / RMS_S);
    this.#power = keep * this.#power + ((1 - keep) * energy) / pcm.length;
    const fallenDb = this.#peakDb - PEAK_DB_PER_S * seconds;
    this.#peakDb = Math.max(20 * Math.log10(peak), fallenDb, FLOOR_DB);
  }

  get rmsDb(): number {
    return Math.max(10 * Math.log10(this.#power + 1e-12), FLOOR_DB);
  }

  get peakDb(): number {
    return this.#peakDb;
  }

  /** A copy of what it shows, which can be posted. */
  read(): Level {
    return { rmsDb: this.rmsDb, peakDb: this.peakDb, clippedSamples: this.clippedSamples };
  }
}

/** Silences frames while `isOn` is set, fading over one frame when it changes. */
export class Mute {
  isOn = false;
  #gain = 1;

  /** `pcm` or silence; the very array when nothing is to be done. */
  apply(pcm: Float32Array): Float32Array {
    const target = this.isOn ? 0 : 1;
    const before = this.#gain;
    this.#gain = target;
    if (before === target) return target === 1 ? pcm : new Float32Array(pcm.length);
    const step = (target - before) / Math.max(1, pcm.length - 1);
    return pcm.map((sample, n) => sample * (before + n * step));
  }
}
