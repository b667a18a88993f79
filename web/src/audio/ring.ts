/** A bounded queue of samples. */

/** Samples in and out by any number; what does not fit is not taken. */
export class RingBuffer {
  readonly #data: Float32Array;
  #first = 0;
  #length = 0;

  constructor(capacity: number) {
    this.#data = new Float32Array(capacity);
  }

  /** Samples held. */
  get length(): number {
    return this.#length;
  }

  /** Takes as many of the samples as fit, from the first on, and says how many these are. */
  offer(pcm: Float32Array): number {
    const taken = Math.min(pcm.length, this.#data.length - this.#length);
    const end = (this.#first + this.#length) % this.#data.length;
    const before = Math.min(taken, this.#data.length - end); // the end of the array
    this.#data.set(pcm.subarray(0, before), end);
    this.#data.set(pcm.subarray(before, taken), 0);
    this.#length += taken;
    return taken;
  }

  /** Moves the oldest samples to the beginning of `out`, as many as there are; how many. */
  readInto(out: Float32Array): number {
    const read = Math.min(out.length, this.#length);
    const before = Math.min(read, this.#data.length - this.#first);
    out.set(this.#data.subarray(this.#first, this.#first + before));
    out.set(this.#data.subarray(0, read - before), before);
    this.#first = (this.#first + read) % this.#data.length;
    this.#length -= read;
    return read;
  }
}
