/**
 * Indices to bytes of a fixed size and back: all the indices of a call form one number in mixed
 * radix, stored little-endian. The twin of `q2d2_stream/packing.py`.
 */
import type { CodecConfig, Rate } from "./config";
import { InputError } from "./errors";

/** Most frames of one call (13.7 s): the cost of a big number grows with its square. */
export const MAX_FRAMES = 1024;

function checkFrames(frames: number): void {
  if (!Number.isInteger(frames) || frames < 0 || frames > MAX_FRAMES)
    throw new InputError(
      `${frames} frames cannot be packed, expected 0 to ${MAX_FRAMES} in a call`,
    );
}

/**
 * Bytes that `frames` frames (0 to MAX_FRAMES) take together at a rate.
 *
 * @throws InputError: no such rate, or a number of frames out of range
 */
export function packedBytes(config: CodecConfig, rate: number, frames: number): number {
  checkFrames(frames);
  return config.indexToRate(rate).packedBytes(frames);
}

/**
 * The bytes of some frames' indices.
 *
 * @param rows as many numbers each as the rate has indices
 * @throws InputError: too many frames, or an index that is not below its codebook's size
 */
export function pack(rows: readonly Uint8Array[], rate: Rate): Uint8Array {
  checkFrames(rows.length);
  const codes = rate.codebookSizes;
  const bytes = new Uint8Array(rate.packedBytes(rows.length));
  for (let n = rows.length - 1; n >= 0; n--) {
    const row = rows[n]!;
    if (row.length !== codes.length)
      throw new InputError(
        `frames of ${row.length} numbers have no fixed size, expected ${codes.length} at this ` +
          "rate: refinement in steps and symbols is for entropy coding",
      );
    for (let pair = codes.length - 1; pair >= 0; pair--) {
      const index = row[pair]!;
      if (index >= codes[pair]!)
        throw new InputError(
          `an index of pair ${pair} is ${index}, expected 0 to ${codes[pair]! - 1}`,
        );
      multiplyAdd(bytes, codes[pair]!, index);
    }
  }
  return bytes;
}

/**
 * The indices of exactly `frames` frames.
 *
 * @throws InputError: a number of frames out of range, data of another length, or bytes that
 *     {@link pack} never makes
 */
export function unpack(data: Uint8Array, rate: Rate, frames: number): Uint8Array[] {
  checkFrames(frames);
  const expected = rate.packedBytes(frames);
  const codes = rate.codebookSizes;
  if (data.length !== expected)
    throw new InputError(
      `${data.length} bytes hold no ${frames} frames of ${codes.length} pairs, ` +
        `expected ${expected} bytes`,
    );
  const bytes = Uint8Array.from(data);
  const rows = Array.from({ length: frames }, () =>
    Uint8Array.from(codes, (size) => divide(bytes, size)),
  );
  if (bytes.some((byte) => byte !== 0))
    throw new InputError(
      `the ${expected} bytes are out of the range of ${frames} frames of ${codes.length} pairs, ` +
        "so they are damaged or packed by another codec",
    );
  return rows;
}

/** `number * factor + summand` in place, little-endian; both are below 257. */
function multiplyAdd(number: Uint8Array, factor: number, summand: number): void {
  let carry = summand;
  for (let at = 0; at < number.length; at++) {
    const product = number[at]! * factor + carry;
    number[at] = product & 255;
    carry = product >> 8;
  }
}

/** Divides the number in place; returns the remainder. */
function divide(number: Uint8Array, divisor: number): number {
  let rest = 0;
  for (let at = number.length - 1; at >= 0; at--) {
    const part = (rest << 8) | number[at]!;
    number[at] = Math.floor(part / divisor);
    rest = part % divisor;
  }
  return rest;
}
