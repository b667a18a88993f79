/**
 * What is known of a model's indices before they come: a prediction, and tables around it. The twin
 * of `q2d2_stream/entropy/tables.py`, which explains them.
 */
import type { CodecConfig } from "../config";
import { REFINEMENT_SIZES } from "../config";
import { crc32 } from "../crc32";
import { ModelError } from "../errors";
import { inflate } from "../inflate";
import { TOTAL } from "./coder";
import { Coordinates } from "./coordinates";

/** How many frames back a prediction looks, where its message has so many. */
export const HISTORY = 2;

/** What the weights of a prediction are counted in: one of 2**12 parts. */
export const UNITS_PER_WEIGHT = 4096;

const MAGIC = "Q2D2TABS";
const VERSION = 2;
const HEADER_BYTES = 17; // magic, version, model hash
const CRC_BYTES = 4;
const BITS_UNIT = 0.01;

/** Slots of every symbol in some alphabet: `rows[bin]` sums to TOTAL. */
export type Sizes = readonly Uint16Array[];

/** Prediction and tables of frames with H frames before them; D coordinates. */
export interface Mode {
  /** Weights of those frames' coordinates: `before[h][target * D + source]`. */
  readonly before: readonly Int16Array[];
  /** Weights of this frame's, `(D, D)`, zero on and above the diagonal. */
  readonly within: Int16Array;
  readonly bias: Int32Array;
  /** One table to every alphabet of {@link Coordinates.symbols}, pair by pair. */
  readonly sizes: readonly Sizes[];
  /** Mean bits of a frame at every rate. */
  readonly bits: readonly number[];
}

/** Slots of the refinement's numbers. */
export interface RefinementTables {
  /** Of the number of the step. */
  readonly steps: Uint16Array;
  /** Of the symbols of every component at every step: `sizes[step][component]`. */
  readonly sizes: readonly Sizes[];
}

/** The modes of one model, for a frame with 0, 1 and at least HISTORY frames before it. */
export class Tables {
  private constructor(
    /** 8 bytes, of the weights that make such indices. */
    readonly modelHash: Uint8Array,
    readonly modes: readonly Mode[],
    readonly refinement: RefinementTables | null,
    /** CRC-32 of the content, never 0: two sides with the same have the same tables. */
    readonly checksum: number,
  ) {}

  /**
   * The tables of a file, for the indices of `config`.
   *
   * @throws ModelError: not a tables file, damaged, of another version or another lattice
   */
  static async fromBytes(data: Uint8Array, config: CodecConfig): Promise<Tables> {
    const start = HEADER_BYTES + CRC_BYTES;
    const magic = String.fromCharCode(...data.subarray(0, MAGIC.length));
    if (data.length < start || magic !== MAGIC)
      throw new ModelError("this is not a file of entropy tables: its magic bytes are missing");
    const version = data[MAGIC.length];
    if (version !== VERSION)
      throw new ModelError(
        `the entropy tables are of version ${version}, this page reads ${VERSION}`,
      );
    const layout = new Layout(config);
    let content: Uint8Array;
    try {
      content = await inflate(data.subarray(start), layout.bytes);
    } catch (error) {
      throw new ModelError(`the entropy tables are damaged: ${String(error)}`);
    }
    if (content.length !== layout.bytes)
      throw new ModelError(
        `the entropy tables hold ${content.length} bytes, expected ${layout.bytes}: they are ` +
          "damaged, or of another lattice",
      );
    const header = data.subarray(0, HEADER_BYTES);
    const checksum = crc32(content, crc32(header)) || 1;
    const stored = new DataView(data.buffer, data.byteOffset).getUint32(HEADER_BYTES, true);
    if (stored !== checksum)
      throw new ModelError("the entropy tables are damaged: their checksum is wrong");
    const { modes, refinement } = layout.read(content);
    const tables = new Tables(header.slice(-8), modes, refinement, checksum);
    tables.#check();
    return tables;
  }

  #check(): void {
    const rows = this.modes.flatMap((mode) => mode.sizes.flat());
    if (this.refinement) rows.push(this.refinement.steps, ...this.refinement.sizes.flat());
    for (const row of rows)
      if (row.some((size) => size < 1) || row.reduce((sum, size) => sum + size, 0) !== TOTAL)
        throw new ModelError(`the entropy tables make no sense: a row does not sum to ${TOTAL}`);
    for (const { bias, within } of this.modes) {
      if (bias.some((value) => Math.abs(value) > 2 ** 30))
        throw new ModelError("the entropy tables make no sense: a bias is beyond 2**30");
      const dims = bias.length;
      if (within.some((weight, at) => weight !== 0 && at % dims >= Math.floor(at / dims)))
        throw new ModelError(
          "the entropy tables make no sense: they predict a coordinate from a later one",
        );
    }
  }
}

/** Where every array stands in the content of a tables file: little-endian, one after the other. */
class Layout {
  readonly bytes: number;
  readonly #coordinates: Coordinates;
  readonly #config: CodecConfig;

  constructor(config: CodecConfig) {
    this.#config = config;
    this.#coordinates = new Coordinates(config);
    this.bytes = this.#walk(new Sizer()).bytes;
  }

  read(content: Uint8Array): Pick<Tables, "modes" | "refinement"> {
    const reader = new Reader(content);
    const modes: Mode[] = [];
    let refinement: RefinementTables | null = null;
    this.#walk(
      reader,
      (mode) => modes.push(mode),
      (tables) => (refinement = tables),
    );
    return { modes, refinement };
  }

  #walk<S extends Source>(
    source: S,
    onMode: (mode: Mode) => void = () => undefined,
    onRefinement: (tables: RefinementTables) => void = () => undefined,
  ): S {
    const { highest, symbols, pairs } = this.#coordinates;
    const dims = 2 * pairs;
    const rows = (count: number, symbols: number): Sizes =>
      Array.from({ length: count }, () => source.uint16(symbols));
    for (let history = 0; history <= HISTORY; history++) {
      const weights = source.int16(dims * history * dims); // target, how far back, source
      const within = source.int16(dims * dims);
      const bias = source.int32(dims);
      const bits = Array.from(source.uint16(this.#config.ladder.length), (n) => n * BITS_UNIT);
      const sizes = symbols.flatMap(([x, ...y], pair) => [
        rows(2 * highest[2 * pair]! + 1, x!),
        ...y.map((steps) => rows(2 * highest[2 * pair + 1]! + 1, steps)),
      ]);
      const before = Array.from({ length: history }, (_, back) =>
        Int16Array.from({ length: dims * dims }, (_, at) => {
          const target = Math.floor(at / dims);
          return weights[(target * history + back) * dims + (at % dims)]!;
        }),
      );
      onMode({ before, within, bias, bits, sizes });
    }
    if (this.#config.refined) {
      const [steps, ...components] = REFINEMENT_SIZES as [number, ...number[]];
      const ofSteps = source.uint16(steps);
      const sizes = Array.from({ length: steps }, () =>
        components.map((symbols) => source.uint16(symbols)),
      );
      onRefinement({ steps: ofSteps, sizes });
    }
    return source;
  }
}

interface Source {
  int16(count: number): Int16Array;
  uint16(count: number): Uint16Array;
  int32(count: number): Int32Array;
}

/** Counts the bytes that are asked for. */
class Sizer implements Source {
  bytes = 0;

  int16(count: number): Int16Array {
    this.bytes += 2 * count;
    return new Int16Array(count);
  }

  uint16(count: number): Uint16Array {
    this.bytes += 2 * count;
    return new Uint16Array(count);
  }

  int32(count: number): Int32Array {
    this.bytes += 4 * count;
    return new Int32Array(count);
  }
}

/** Takes numbers from the content. */
class Reader implements Source {
  readonly #view: DataView;
  #at = 0;

  constructor(content: Uint8Array) {
    this.#view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  }

  int16(count: number): Int16Array {
    return Int16Array.from({ length: count }, () => this.#view.getInt16(this.#step(2), true));
  }

  uint16(count: number): Uint16Array {
    return Uint16Array.from({ length: count }, () => this.#view.getUint16(this.#step(2), true));
  }

  int32(count: number): Int32Array {
    return Int32Array.from({ length: count }, () => this.#view.getInt32(this.#step(4), true));
  }

  #step(bytes: number): number {
    this.#at += bytes;
    return this.#at - bytes;
  }
}
