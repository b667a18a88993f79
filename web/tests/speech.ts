import { readBytes } from "./vectors";

const HEADER_BYTES = 44;

/** Four seconds of speech at 24 kHz, as Python's vectors use it. */
export function speech(): Float32Array {
  const bytes = readBytes("tests/web/vectors/speech.wav");
  const samples = new Int16Array(bytes.slice(HEADER_BYTES).buffer);
  return Float32Array.from(samples, (sample) => sample / 32768);
}

/** Two sums that no sample leaves alone, as `project` of the vectors. */
export function project(pcm: Float32Array): number[] {
  return [0.0011, 0.0037].map((step) =>
    pcm.reduce((sum, sample, n) => sum + sample * Math.cos(step * n * n), 0),
  );
}

/** The largest difference of two samples; infinite where one array is longer. */
export const difference = (a: Float32Array, b: Float32Array): number =>
  a.length === b.length
    ? a.reduce((most, sample, n) => Math.max(most, Math.abs(sample - b[n]!)), 0)
    : Infinity;

/** Plays the frame of a clip that the indices name; a loss is the last frame at half level. */
export class ClipDecoder {
  readonly delaySamples: number = 320;
  readonly #pcm: Float32Array;
  #last = new Float32Array(320);

  constructor(pcm: Float32Array) {
    this.#pcm = pcm;
  }

  push(indices: Uint8Array | null): Float32Array {
    if (indices === null) return (this.#last = this.#last.map((sample) => sample / 2));
    const at = 320 * (numberOf(indices) % Math.floor(this.#pcm.length / 320));
    return (this.#last = this.#pcm.slice(at, at + 320));
  }

  seek(_number: number): void {}

  reset(): void {}
}

/** Indices that carry a frame's number. */
export const indicesOf = (frame: number): Uint8Array =>
  Uint8Array.of(frame % 145, Math.floor(frame / 145) % 85, Math.floor(frame / (145 * 85)) % 85);

/** The number that indices carry. */
export const numberOf = (indices: Uint8Array): number =>
  indices[0]! + 145 * (indices[1]! + 85 * indices[2]!);
