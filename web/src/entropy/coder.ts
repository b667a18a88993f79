/**
 * An integer range coder with carry, written byte by byte. The twin of
 * `q2d2_stream/entropy/coder.py`, which explains it. All numbers stay below 2**34, exact in a
 * float64.
 */
import { InputError } from "../errors";

const BITS = 12;

/** Slots that the symbols of a table share. */
export const TOTAL = 1 << BITS;

const ALL = 0xffff_ffff; // the interval before the first symbol
const NARROW = 1 << 24; // narrower ones are widened by a byte

/** The number from `low` to below `low + width` that ends in most zero bytes. */
function shortest(low: number, width: number): number {
  for (const zeros of [32, 24, 16, 8]) {
    const unit = 2 ** zeros;
    const number = Math.ceil(low / unit) * unit;
    if (number < low + width) return number;
  }
  return low;
}

/** Symbols to bytes. */
export class Encoder {
  readonly #out: number[] = [];
  #low = 0;
  #width = ALL;

  /** Append a symbol of `size` slots, the first of them `start`; not checked. */
  put(start: number, size: number): void {
    const slot = this.#width >>> BITS;
    let low = this.#low + slot * start;
    // The last symbol also has what the division leaves, so that no bytes are meaningless.
    let width = start + size < TOTAL ? slot * size : this.#width - slot * start;
    while (width < NARROW) {
      if (low > ALL) this.#carry();
      this.#out.push((low >>> 24) & 255);
      low = (low << 8) >>> 0;
      width *= 256;
    }
    this.#low = low;
    this.#width = width;
  }

  /** The bytes of all symbols; a 0 at the end is not written. */
  finish(): Uint8Array {
    const number = shortest(this.#low, this.#width);
    if (number > ALL) this.#carry();
    for (const shift of [24, 16, 8, 0]) this.#out.push((number >>> shift) & 255);
    while (this.#out.at(-1) === 0) this.#out.pop();
    return Uint8Array.from(this.#out);
  }

  /** Add 1 to the number written so far; it never overflows. */
  #carry(): void {
    let at = this.#out.length - 1;
    while (this.#out[at] === 255) this.#out[at--] = 0;
    this.#out[at]! += 1;
  }
}

/** Takes symbols out of bytes that {@link Encoder} made, or out of any others. */
export class Decoder {
  readonly #data: Uint8Array;
  #at = 4; // bytes taken
  #offset: number; // of the number from low
  #width = ALL;

  constructor(data: Uint8Array) {
    this.#data = data;
    this.#offset = this.#window(0);
  }

  /**
   * The next symbol.
   *
   * @param cdf cumulative frequencies: the first slot of every symbol and, last, TOTAL; strictly
   *     ascending from 0
   * @returns a number from 0 to below `cdf.length - 1`, whatever the bytes
   */
  take(cdf: ArrayLike<number>): number {
    const slot = this.#width >>> BITS;
    const wanted = Math.floor(this.#offset / slot);
    let symbol = 0;
    let above = cdf.length - 1;
    while (above - symbol > 1) {
      const middle = (symbol + above) >> 1;
      if (cdf[middle]! <= wanted) symbol = middle;
      else above = middle;
    }
    const start = cdf[symbol]!;
    const end = cdf[symbol + 1]!;
    let offset = this.#offset - slot * start;
    let width = end < TOTAL ? slot * (end - start) : this.#width - slot * start;
    while (width < NARROW) {
      offset = offset * 256 + (this.#data[this.#at] ?? 0);
      width *= 256;
      this.#at += 1;
    }
    this.#offset = offset;
    this.#width = width;
    return symbol;
  }

  /** @throws InputError unless {@link Encoder} makes these bytes of the symbols taken */
  finish(): void {
    const { length } = this.#data;
    const number = this.#window(this.#at - 4);
    const low = (number - this.#offset) >>> 0;
    const isWhole = this.#at >= length && this.#data[length - 1] !== 0;
    if (!isWhole || number !== shortest(low, this.#width) % 2 ** 32)
      throw new InputError(
        `the ${length} coded bytes do not end where their frames do, so they are damaged or ` +
          "coded with other tables",
      );
  }

  /** Four bytes from `at` on as a number, zeros behind the end. */
  #window(at: number): number {
    let number = 0;
    for (let n = at; n < at + 4; n++) number = number * 256 + (this.#data[n] ?? 0);
    return number;
  }
}
