/**
 * Errors of levels as numbers that are sent, in two forms. The twin of
 * `q2d2_stream/refinement/code.py`, which explains them.
 */
import { REFINEMENT_LEVELS, REFINEMENT_SIZES } from "../config";
import { ModelError } from "../errors";
import { Lattice } from "../lattice";
import { BANDS } from "./bands";

/** What a frame may multiply the step by. */
export const STEPS: readonly number[] = [1.0, 1.3, 1.7, 2.2];

/** Values of a component's symbol. */
export const SYMBOLS = REFINEMENT_SIZES.at(-1)!;

/** The symbol of no error. */
export const SYMBOL_ZERO = 30;

const DEAD = 0.4; // share of the step below a multiple of it from which on one rounds up to it
const BIT_WORTH = 0.215; // squared steps of error that a bit may save
const REACH = SYMBOLS - 1 - SYMBOL_ZERO;
const FIXED = REFINEMENT_LEVELS.length;

/** The statistics of a model's errors, and the numbers that they make of an error. */
export class RefinementCode {
  readonly #lattice = new Lattice("rhombic", REFINEMENT_LEVELS);

  private constructor(
    /** Of the errors, 40, nepers. */
    private readonly mean: Float32Array,
    /**
     * Their Karhunen-Loeve transform, orthonormal columns in falling order of variance, row by row.
     */
    private readonly basis: Float32Array,
    /** Of the coded form, nepers. */
    private readonly step: number,
    /** Nepers to a grid unit of the fixed form's components. */
    private readonly unit: Float32Array,
    /** By how much the refined spectrum is sharpened, 0 for not. */
    readonly sharpening: number,
  ) {}

  /**
   * Of a model's metadata.
   *
   * @throws ModelError for anything else
   */
  static fromJson(text: string): RefinementCode {
    try {
      const fields = JSON.parse(text) as Record<string, unknown>;
      const mean = unpacked(fields["mean"], BANDS);
      const unit = unpacked(fields["unit"], FIXED);
      const basis = unpacked(fields["basis"], BANDS * BANDS);
      const step = Number(fields["step"]);
      const sharpening = Number(fields["sharpening"]);
      const isSane = step > 0 && sharpening >= 0 && sharpening <= 1 && unit.every((n) => n > 0);
      if (!isSane) throw new RangeError("numbers are missing or out of range");
      return new RefinementCode(mean, basis, step, unit, sharpening);
    } catch (error) {
      throw new ModelError(
        `the model's refinement statistics are damaged (${String(error)}): export it again`,
      );
    }
  }

  /**
   * An error, 40 in nepers -> symbols of the coded form, with `STEPS[step]`.
   *
   * @param bits what a symbol of a component takes: of the two symbols beside a component and zero,
   *     that with the least squared error and `BIT_WORTH` for each bit is taken. Without it the
   *     nearest, or near zero the smaller one.
   */
  symbols(
    error: Float32Array,
    step = 0,
    bits?: (component: number, symbol: number) => number,
  ): Uint8Array {
    const size = Math.fround(this.step * STEPS[step]!);
    return Uint8Array.from(this.#components(error, BANDS), (component, n) => {
      const part = Math.fround(component / size);
      if (bits) return cheapest(part, (symbol) => bits(n, symbol));
      const rounded = Math.sign(part) * Math.floor(Math.abs(part) + Math.fround(DEAD));
      return SYMBOL_ZERO + Math.max(-REACH, Math.min(REACH, rounded));
    });
  }

  /** 40 symbols -> the error as it arrives, nepers. */
  symbolsToError(symbols: Uint8Array, step = 0): Float32Array {
    const size = Math.fround(this.step * STEPS[step]!);
    return this.#error(Float32Array.from(symbols, (symbol) => (symbol - SYMBOL_ZERO) * size));
  }

  /** An error, 40 in nepers -> the fixed form's nine indices. */
  indices(error: Float32Array): Uint8Array {
    const parts = this.#components(error, FIXED);
    return this.#lattice.nearest(parts.map((part, n) => part / this.unit[n]!));
  }

  /** Nine indices -> the error as it arrives, nepers. */
  indicesToError(indices: Uint8Array): Float32Array {
    return this.#error(this.#lattice.point(indices).map((part, n) => part * this.unit[n]!));
  }

  #components(error: Float32Array, count: number): Float32Array {
    const centred = error.map((each, band) => each - this.mean[band]!);
    return Float32Array.from({ length: count }, (_, n) =>
      centred.reduce((sum, each, band) => sum + each * this.basis[band * BANDS + n]!, 0),
    );
  }

  #error(components: Float32Array): Float32Array {
    return this.mean.map((mean, band) =>
      components.reduce((sum, part, n) => sum + part * this.basis[band * BANDS + n]!, mean),
    );
  }
}

/** Of zero and the two symbols beside a component in steps the cheapest, the first of equals. */
function cheapest(part: number, bits: (symbol: number) => number): number {
  const below = Math.max(-REACH, Math.min(REACH - 1, Math.floor(part)));
  let best = SYMBOL_ZERO;
  let least = Infinity;
  for (const tried of [0, below, below + 1]) {
    const cost = (part - tried) ** 2 + BIT_WORTH * bits(SYMBOL_ZERO + tried);
    if (cost < least) [best, least] = [SYMBOL_ZERO + tried, cost];
  }
  return best;
}

/** Half-precision numbers in base64, as the exporter writes them. */
function unpacked(text: unknown, count: number): Float32Array {
  const bytes = Uint8Array.from(atob(String(text)), (character) => character.charCodeAt(0));
  if (bytes.length !== 2 * count)
    throw new RangeError(`${bytes.length} bytes came, expected ${2 * count}`);
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: count }, (_, n) => halfToNumber(view.getUint16(2 * n, true)));
}

/** IEEE 754 binary16; finite ones only. */
function halfToNumber(half: number): number {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) throw new RangeError("a number is not finite");
  const size = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
  return half & 0x8000 ? -size : size;
}
