/** The sound that has been made and not yet pulled. */
import { concatenate } from "../pcm";
import { HISTORY_SAMPLES } from "./stretch";

/** Samples in by any number, out by any other. */
export class Output {
  /** The last 320 samples put in, pulled or not, which `expand` continues. */
  history: Float32Array = new Float32Array(HISTORY_SAMPLES);
  #pieces: Float32Array[] = [];
  #samples = 0;

  /** Samples held. */
  get length(): number {
    return this.#samples;
  }

  /** Appends samples; they must not change afterwards. */
  put(pcm: Float32Array): void {
    this.#pieces.push(pcm);
    this.#samples += pcm.length;
    this.history =
      pcm.length >= HISTORY_SAMPLES
        ? pcm.subarray(pcm.length - HISTORY_SAMPLES)
        : concatenate([this.history.subarray(pcm.length), pcm]);
  }

  /** The oldest `samples` samples, of which there must be as many; a copy. */
  pull(samples: number): Float32Array<ArrayBuffer> {
    const joined = concatenate(this.#pieces);
    this.#pieces = joined.length === samples ? [] : [joined.subarray(samples)];
    this.#samples -= samples;
    return joined.slice(0, samples);
  }
}
