/** Checks, numbers and text fields that the messages share. Numbers are little-endian. */

import { InputError, WireError } from "../errors";
import { roundHalfEven } from "../rounding";

export const U32_MAX = 0xffffffff;

// What Python's str.isprintable() says no to: "other" and "separator", but for the space.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** InputError when `value` is no whole number from `low` to `high`. */
export function checkRange(name: string, value: number, low: number, high: number): void {
  if (!(Number.isInteger(value) && value >= low && value <= high))
    throw new InputError(`${name} is ${value}, expected ${low} to ${high}`);
}

/** One line that cannot move a terminal's cursor, cut to `maxBytes` of UTF-8. */
export function printable(text: string, maxBytes: number): string {
  const data = ENCODER.encode(text.replace(UNPRINTABLE, "\ufffd"));
  let end = Math.min(data.length, maxBytes);
  while (end < data.length && ((data[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return DECODER.decode(data.subarray(0, end));
}

export function bytesOfText(text: string): Uint8Array {
  return ENCODER.encode(text);
}

/** The text of UTF-8 bytes; WireError for others. */
export function textOfBytes(data: Uint8Array, what: string): string {
  try {
    return DECODER.decode(data);
  } catch (error) {
    throw new WireError(`${what} holds text that is not UTF-8`, { cause: error });
  }
}

/** The whole number nearest to `value * scale`, ties to even as in Python, within limits. */
export function scaled(value: number, scale: number, low: number, high: number): number {
  // not-a-number compares false
  if (!(Math.abs(value) < 1e9)) return high;
  return Math.min(high, Math.max(low, roundHalfEven(value * scale)));
}

/** Takes fields from the front of a message; WireError where it is too short for one. */
export class Reader {
  readonly #data: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #at = 0;

  constructor(data: Uint8Array, what: string) {
    this.#data = data;
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.#what = what;
  }

  u8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }

  i16(): number {
    return this.#view.getInt16(this.#skip(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#skip(8), true);
  }

  bytes(count: number): Uint8Array {
    const at = this.#skip(count);
    return this.#data.subarray(at, at + count);
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.bytes(this.#data.length - this.#at);
  }

  /** Two bytes of length, then UTF-8; WireError when it is cut, too long or not UTF-8. */
  text(maxBytes: number): string {
    const length = this.u16();
    if (length > maxBytes)
      throw new WireError(
        `${this.#what} claims ${length} bytes of text, expected at most ${maxBytes}`,
      );
    return textOfBytes(this.bytes(length), this.#what);
  }

  #skip(count: number): number {
    const at = this.#at;
    if (at + count > this.#data.length)
      throw new WireError(
        `${this.#what} has ${this.#data.length} bytes, expected at least ${at + count}`,
      );
    this.#at = at + count;
    return at;
  }
}

/** Puts fields together. */
export class Writer {
  readonly #bytes: number[] = [];

  u8(value: number): this {
    return this.#put(value, 1);
  }

  u16(value: number): this {
    return this.#put(value, 2);
  }

  u32(value: number): this {
    return this.#put(value, 4);
  }

  u64(value: bigint): this {
    return this.u32(Number(value & 0xffffffffn)).u32(Number(value >> 32n));
  }

  bytes(data: Uint8Array): this {
    for (const byte of data) this.#bytes.push(byte);
    return this;
  }

  /** Two bytes of length, then UTF-8. */
  text(text: string): this {
    const data = ENCODER.encode(text);
    return this.u16(data.length).bytes(data);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #put(value: number, count: number): this {
    for (let shift = 0; shift < 8 * count; shift += 8) this.#bytes.push((value >>> shift) & 0xff);
    return this;
  }
}
