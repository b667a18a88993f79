/**
 * The points of a lattice as pairs of integers: what is predicted and coded instead of indices. The
 * twin of `q2d2_stream/entropy/coordinates.py`, which draws them.
 */
import type { CodecConfig } from "../config";
import { Lattice } from "../lattice";

/** Integer coordinates of the points of all pairs that a configuration can send. */
export class Coordinates {
  /** Boxes of points of the lattice, 1 or 2. */
  readonly cosets: number;
  readonly pairs: number;
  /** The highest value of every coordinate, from 0; two to a pair. */
  readonly highest: readonly number[];
  /**
   * Sizes of the alphabets that a point is told in: values of x, then steps of y in every coset.
   */
  readonly symbols: readonly (readonly number[])[];
  /** `index[pair][x][step of y]`, the point's index. */
  readonly index: readonly (readonly Uint8Array[])[];

  readonly #table: readonly Uint16Array[];

  /** @throws InputError where the configuration's levels make no lattice */
  constructor(config: CodecConfig) {
    const levels = config.levels.slice(0, 2 * config.rates.at(-1)!);
    const { cosets, pairs } = new Lattice(config.lattice, levels);
    this.cosets = cosets.length;
    this.pairs = pairs;
    this.highest = levels.map((_, d) =>
      Math.max(...cosets.map(({ last }, k) => cosets.length * last[d]! + k)),
    );
    this.symbols = Array.from({ length: pairs }, (_, pair) => [
      cosets.reduce((sum, { last }) => sum + last[2 * pair]! + 1, 0),
      ...cosets.map(({ last }) => last[2 * pair + 1]! + 1),
    ]);
    this.index = this.symbols.map(([xs], pair) =>
      Array.from({ length: xs! }, (_, x) => {
        const { base, stride, last } = cosets[x % cosets.length]!;
        const first = base[pair]! + Math.floor(x / cosets.length) * stride[2 * pair]!;
        const steps = last[2 * pair + 1]! + 1;
        return Uint8Array.from({ length: steps }, (_, y) => first + y * stride[2 * pair + 1]!);
      }),
    );
    this.#table = this.index.map((rows) => {
      const table = new Uint16Array(2 * 256);
      rows.forEach((row, x) =>
        row.forEach((index, y) =>
          table.set([x, cosets.length * y + (x % cosets.length)], 2 * index),
        ),
      );
      return table;
    });
  }

  /** The coordinates, two to a pair, of valid indices. */
  of(indices: Uint8Array): number[] {
    const point = [];
    for (let pair = 0; pair < indices.length; pair++) {
      const at = 2 * indices[pair]!;
      point.push(this.#table[pair]![at]!, this.#table[pair]![at + 1]!);
    }
    return point;
  }
}
