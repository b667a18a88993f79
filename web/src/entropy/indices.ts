/**
 * Indices to fewer bytes than their fixed size, and back. The twin of
 * `q2d2_stream/entropy/indices.py`. A row holds the numbers of one frame.
 */
import { REFINEMENT_SYMBOLS, type CodecConfig } from "../config";
import { InputError } from "../errors";
import { packedBytes } from "../packing";
import { Decoder, Encoder, TOTAL } from "./coder";
import { Coordinates } from "./coordinates";
import {
  HISTORY,
  UNITS_PER_WEIGHT,
  type Mode,
  type RefinementTables,
  type Sizes,
  type Tables,
} from "./tables";

/** Codes runs of frames, each run on its own. Holds no state between calls. */
export class IndexCoder {
  readonly tables: Tables;

  readonly #config: CodecConfig;
  readonly #coordinates: Coordinates;
  readonly #predictors: readonly Predictor[];
  readonly #refinement: RefinementCoder | null;

  /** @param tables read for the same `config` */
  constructor(config: CodecConfig, tables: Tables) {
    this.tables = tables;
    this.#config = config;
    this.#coordinates = new Coordinates(config);
    this.#predictors = tables.modes.map((mode) => new Predictor(mode, this.#coordinates));
    this.#refinement = tables.refinement && new RefinementCoder(tables.refinement);
  }

  /** Tells the tables from any others; 1 to 2**32 - 1. */
  get checksum(): number {
    return this.tables.checksum;
  }

  /**
   * Bytes that `frames` frames of speech take at `rate` on average, rounded up.
   *
   * @throws InputError for a rate or a number of frames out of range
   */
  typicalBytes(rate: number, frames: number): number {
    packedBytes(this.#config, rate, frames); // is there such a rate?
    const most = this.#config.ladder[rate]!.mostBytes(frames);
    return Math.min(most, Math.ceil(this.typicalBits(rate, frames) / 8));
  }

  /** As {@link typicalBytes}, in bits and not rounded. */
  typicalBits(rate: number, frames: number): number {
    let bits = 0;
    for (let n = 0; n < frames; n++) bits += this.tables.modes[Math.min(n, HISTORY)]!.bits[rate]!;
    return bits;
  }

  /** What 40 symbols of a frame take with step number `step`, that number included. */
  refinementBits(symbols: Uint8Array, step: number): number {
    if (!this.#refinement) throw new InputError("this model has no refinement");
    return this.#refinement.bits(symbols, step);
  }

  /** What a symbol of a component takes with step number `step`. Of a model with refinement. */
  symbolBits(step: number): (component: number, symbol: number) => number {
    return this.#refinement!.symbolBits(step);
  }

  /**
   * The coded bytes of some frames of one rate; the number of numbers in a row says which.
   *
   * @returns null where they would not be fewer than packed ones, or with refinement than
   *     {@link Rate.mostBytes}; the fixed form of refinement is not coded
   * @throws InputError: no such rate, too many frames, or a number out of range
   */
  encode(rows: readonly Uint8Array[]): Uint8Array | null {
    if (rows.length === 0) return null;
    const width = rows[0]!.length;
    const rate = this.#config.widthToRate(width);
    packedBytes(this.#config, rate.index, rows.length); // are these not too many frames?
    rows.forEach((row) => this.#checkRow(row, width, rate.pairs));
    if (rate.refined && width !== rate.pairs + REFINEMENT_SYMBOLS) return null;
    const encoder = new Encoder();
    let last: number[][] = [];
    for (const row of rows) {
      const point = this.#coordinates.of(row.subarray(0, rate.pairs));
      this.#predictors[last.length]!.put(encoder, last, point);
      last = [point, ...last].slice(0, HISTORY);
      if (this.#refinement && rate.refined) this.#refinement.put(encoder, row.subarray(rate.pairs));
    }
    const data = encoder.finish();
    return data.length < rate.mostBytes(rows.length) ? data : null;
  }

  #checkRow(row: Uint8Array, width: number, pairs: number): void {
    if (row.length !== width)
      throw new InputError(`a frame has ${row.length} numbers, the first one ${width}`);
    for (let pair = 0; pair < pairs; pair++)
      if (row[pair]! >= this.#config.codebookSizes[pair]!)
        throw new InputError(
          `an index of pair ${pair} is ${row[pair]}, ` +
            `expected 0 to ${this.#config.codebookSizes[pair]! - 1}`,
        );
  }

  /**
   * The frames that {@link encode} made `data` of.
   *
   * @throws InputError: no such rate, a number of frames out of range, as many bytes as the fixed
   *     size or more, or bytes that {@link encode} never makes
   */
  decode(data: Uint8Array, rate: number, frames: number): Uint8Array[] {
    packedBytes(this.#config, rate, frames); // is there such a rate?
    const { pairs, refined, ...step } = this.#config.ladder[rate]!;
    const limit = this.#config.ladder[rate]!.mostBytes(frames);
    if (data.length >= limit)
      throw new InputError(
        `${data.length} coded bytes came for ${frames} frames at rate ${step.index}, expected ` +
          `fewer than the ${limit} that they take at most`,
      );
    const decoder = new Decoder(data);
    const rows: Uint8Array[] = [];
    let last: number[][] = [];
    for (let n = 0; n < frames; n++) {
      const row = new Uint8Array(pairs + (refined ? REFINEMENT_SYMBOLS : 0));
      const point = this.#predictors[last.length]!.take(decoder, last, row, pairs);
      last = [point, ...last].slice(0, HISTORY);
      if (this.#refinement && refined) this.#refinement.take(decoder, row.subarray(pairs));
      rows.push(row);
    }
    decoder.finish();
    return rows;
  }
}

/** A mode, at work. */
class Predictor {
  readonly #mode: Mode;
  readonly #coordinates: Coordinates;
  readonly #dims: number;
  readonly #tables: readonly (readonly Uint16Array[])[];

  constructor(mode: Mode, coordinates: Coordinates) {
    this.#mode = mode;
    this.#coordinates = coordinates;
    this.#dims = mode.bias.length;
    this.#tables = mode.sizes.map(cdfs);
  }

  /** Append all coordinates of `point`, which follows `last`, the latest of them first. */
  put(encoder: Encoder, last: readonly number[][], point: readonly number[]): void {
    const { cosets } = this.#coordinates;
    for (let k = 0; k < point.length; k += 2) {
      const alphabet = (k / 2) * (1 + cosets);
      const x = point[k]!;
      putSymbol(encoder, this.#cdf(alphabet, k, last, point), x);
      const y = Math.floor(point[k + 1]! / cosets);
      putSymbol(encoder, this.#cdf(alphabet + 1 + (x % cosets), k + 1, last, point), y);
    }
  }

  /**
   * The next frame: its indices into `row`, and its coordinates, after frames of those of `last`.
   */
  take(decoder: Decoder, last: readonly number[][], row: Uint8Array, pairs: number): number[] {
    const { cosets, index } = this.#coordinates;
    const point: number[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      const alphabet = pair * (1 + cosets);
      const x = decoder.take(this.#cdf(alphabet, 2 * pair, last, point));
      point.push(x);
      const coset = x % cosets;
      const y = decoder.take(this.#cdf(alphabet + 1 + coset, 2 * pair + 1, last, point));
      point.push(cosets * y + coset);
      row[pair] = index[pair]![x]![y]!;
    }
    return point;
  }

  /**
   * The table of coordinate `k`; of `point` only the coordinates before it are used, and of `last`
   * as many as this rate sends.
   */
  #cdf(
    alphabet: number,
    k: number,
    last: readonly (readonly number[])[],
    point: readonly number[],
  ): Uint16Array {
    const { before, within, bias } = this.#mode;
    const row = k * this.#dims;
    let sum = bias[k]!;
    for (let back = 0; back < last.length; back++) {
      const weights = before[back]!;
      const coordinates = last[back]!;
      for (let j = 0; j < coordinates.length; j++) sum += weights[row + j]! * coordinates[j]!;
    }
    for (let j = 0; j < k; j++) sum += within[row + j]! * point[j]!;
    const highest = this.#coordinates.highest[k]!;
    const bin = Math.max(0, Math.min(2 * highest, Math.floor(sum / UNITS_PER_WEIGHT)));
    return this.#tables[alphabet]![bin]!;
  }
}

/** Steps and symbols, each from a table of its own. */
class RefinementCoder {
  readonly #tables: RefinementTables;
  readonly #steps: Uint16Array;
  readonly #symbols: readonly (readonly Uint16Array[])[];

  constructor(tables: RefinementTables) {
    this.#tables = tables;
    this.#steps = cdfs([tables.steps])[0]!;
    this.#symbols = tables.sizes.map(cdfs);
  }

  bits(symbols: Uint8Array, step: number): number {
    const of = this.symbolBits(step);
    let bits = Math.log2(TOTAL / this.#tables.steps[step]!);
    symbols.forEach((symbol, n) => (bits += of(n, symbol)));
    return bits;
  }

  /** What a symbol of a component takes with a step. */
  symbolBits(step: number): (component: number, symbol: number) => number {
    const sizes = this.#tables.sizes[step]!;
    return (component, symbol) => Math.log2(TOTAL / sizes[component]![symbol]!);
  }

  /** Append a step and 40 symbols. */
  put(encoder: Encoder, numbers: Uint8Array): void {
    const [step, ...symbols] = numbers;
    const tables = this.#symbols[step!];
    if (!tables || symbols.some((symbol, n) => symbol >= tables[n]!.length - 1))
      throw new InputError(
        `refinement of step ${step} and symbols up to ${Math.max(...symbols)} came, expected ` +
          `below ${this.#symbols.length} and ${this.#symbols[0]![0]!.length - 1}`,
      );
    putSymbol(encoder, this.#steps, step!);
    symbols.forEach((symbol, n) => putSymbol(encoder, tables[n]!, symbol));
  }

  /** The next step and its symbols, into `numbers`. */
  take(decoder: Decoder, numbers: Uint8Array): void {
    const step = decoder.take(this.#steps);
    numbers[0] = step;
    this.#symbols[step]!.forEach((cdf, n) => (numbers[n + 1] = decoder.take(cdf)));
  }
}

function putSymbol(encoder: Encoder, cdf: Uint16Array, symbol: number): void {
  encoder.put(cdf[symbol]!, cdf[symbol + 1]! - cdf[symbol]!);
}

/** First slots of every row's symbols, and TOTAL. */
function cdfs(rows: Sizes): Uint16Array[] {
  return rows.map((sizes) => {
    const cdf = new Uint16Array(sizes.length + 1);
    sizes.forEach((size, n) => (cdf[n + 1] = cdf[n]! + size));
    return cdf;
  });
}
