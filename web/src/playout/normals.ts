/** Normally distributed random numbers that repeat: the same seed gives the same ones. */

/** Mulberry32 (T. Ettinger 2017), by pairs through Box and Muller's transform. */
export class Normals {
  #state: number;
  #spare: number | undefined;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** The next number, of mean 0 and variance 1. */
  next(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(this.#uniform()));
    const angle = 2 * Math.PI * this.#uniform();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Above 0, at most 1. */
  #uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 1) / 2 ** 32;
  }
}
