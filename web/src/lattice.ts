/**
 * Two-dimensional grids: quantize a pair of latents to the nearest point, and back from its index.
 *
 * The twin of `q2d2_stream/lattice.py`, which draws and explains them. Every grid is one or two
 * axis-parallel boxes of points (cosets); the nearest point of a box is a rounding and a clamp per
 * axis, and that of the grid is the nearer of the two.
 */
import { InputError } from "./errors";
import { roundHalfEven } from "./rounding";

export const KINDS = ["rhombic", "hexagonal", "rectangular"] as const;
export type LatticeKind = (typeof KINDS)[number];

const HEXAGONAL_PITCH = Math.sqrt(3) / 2;
const MAX_CODES = 256; // an index is a byte

/** One coset of one pair: x and y of every entry, and the index of its lowest point. */
interface Box {
  readonly origin: readonly [number, number];
  readonly pitch: readonly [number, number];
  readonly points: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly base: number;
}

function boxesOf(kind: LatticeKind, lx: number, ly: number): Box[] {
  const x0 = -(lx - 1) / 2;
  const y0 = -(ly - 1) / 2;
  if (kind === "hexagonal") {
    const row = HEXAGONAL_PITCH;
    const pitch = [1, 2 * row] as const;
    const stride = [1, 2 * lx] as const;
    const rows = [(ly + 1) >> 1, ly >> 1] as const;
    return [
      { origin: [x0 - 0.25, y0 * row], pitch, points: [lx, rows[0]], stride, base: 0 },
      { origin: [x0 + 0.25, (y0 + 1) * row], pitch, points: [lx, rows[1]], stride, base: lx },
    ];
  }
  const pitch = [1, 1] as const;
  const corners: Box = { origin: [x0, y0], pitch, points: [lx, ly], stride: [1, lx], base: 0 };
  if (kind === "rectangular") return [corners];
  const centres: Box = {
    origin: [x0 + 0.5, y0 + 0.5],
    pitch,
    points: [lx - 1, ly - 1],
    stride: [1, lx - 1],
    base: lx * ly,
  };
  return [corners, centres];
}

function check(kind: LatticeKind, levels: readonly number[]): void {
  if (!KINDS.includes(kind))
    throw new InputError(`the lattice is '${kind}', expected one of ${KINDS.join(", ")}`);
  if (levels.length === 0 || levels.length % 2)
    throw new InputError(
      `${levels.length} levels make no grid, expected an even number: two to each pair`,
    );
  for (const level of levels) {
    if (!(level >= 2))
      throw new InputError(`${level} levels make no grid, expected at least 2 in every dimension`);
    if (kind === "rhombic" && level % 2 === 0)
      throw new InputError(`${level} levels make no rhombic grid, expected an odd number`);
  }
}

/**
 * The boxes of points of all pairs. With D dimensions and P = D / 2 pairs, coset after coset:
 * `origin`, `pitch`, `last` (highest step number) and `stride` (of the index, per step) are D
 * numbers each, `base` (index of the lowest point) P.
 */
export interface Coset {
  readonly origin: Float64Array;
  readonly pitch: Float64Array;
  readonly last: Float64Array;
  readonly stride: Float64Array;
  readonly base: Float64Array;
}

/**
 * The grids of one or several pairs of latent dimensions; dimensions 2i and 2i + 1 are pair i.
 * Methods take a prefix of the pairs as well.
 */
export class Lattice {
  readonly kind: LatticeKind;
  readonly levels: readonly number[];
  /** Number of pairs, P. */
  readonly pairs: number;
  /** Number of points of every pair's grid, P of them. */
  readonly codes: readonly number[];
  /** `scale * tanh(x)` spans the grid exactly, in grid units; D of them. */
  readonly scale: Float64Array;
  /** Grid units divided by this are within -1 to 1; D of them. */
  readonly norm: Float64Array;
  readonly cosets: readonly Coset[];

  readonly #perPitch: readonly Float64Array[];
  readonly #points: readonly Float32Array[];
  readonly #normalised: readonly Float32Array[];

  /** @throws InputError where `kind` and `levels` make no grids */
  constructor(kind: LatticeKind, levels: readonly number[]) {
    check(kind, levels);
    this.kind = kind;
    this.levels = levels;
    this.pairs = levels.length / 2;
    const boxes = Array.from({ length: this.pairs }, (_, pair) =>
      boxesOf(kind, levels[2 * pair]!, levels[2 * pair + 1]!),
    );
    this.codes = boxes.map((pair) => pair.reduce((n, { points: [x, y] }) => n + x * y, 0));
    this.codes.forEach((codes, pair) => {
      if (codes > MAX_CODES)
        throw new InputError(
          `levels ${levels[2 * pair]} and ${levels[2 * pair + 1]} make ${codes} ${kind} points, ` +
            `expected at most ${MAX_CODES}: an index is one byte`,
        );
    });
    this.cosets = boxes[0]!.map((_, k) => ({
      origin: Float64Array.from(boxes.flatMap((pair) => pair[k]!.origin)),
      pitch: Float64Array.from(boxes.flatMap((pair) => pair[k]!.pitch)),
      last: Float64Array.from(boxes.flatMap((pair) => pair[k]!.points.map((n) => n - 1))),
      stride: Float64Array.from(boxes.flatMap((pair) => pair[k]!.stride)),
      base: Float64Array.from(boxes.map((pair) => pair[k]!.base)),
    }));
    this.#perPitch = this.cosets.map(({ pitch }) => pitch.map((each) => 1 / each));
    const hexagonal = kind === "hexagonal";
    this.scale = Float64Array.from(levels, (level, d) => {
      const half = (level - 1) / 2;
      if (!hexagonal) return half;
      return d % 2 ? half * HEXAGONAL_PITCH : half + 0.25;
    });
    this.norm = hexagonal ? this.scale : Float64Array.from(levels, (level) => level >> 1);
    const tables = boxes.map((pair) => tableOf(pair));
    this.#points = tables.map((table) => Float32Array.from(table));
    this.#normalised = tables.map((table, pair) =>
      Float32Array.from(table, (value, at) => value / this.norm[2 * pair + (at % 2)]!),
    );
  }

  /**
   * Index of the grid point nearest to each pair of latents: half-way between two points of a box
   * the even step number wins, half-way between the boxes the first box.
   *
   * @param latent finite numbers in grid units, 2 to D of them
   * @returns as many indices as pairs
   * @throws InputError for another number of them, or what is not finite
   */
  nearest(latent: ArrayLike<number>): Uint8Array {
    const dims = latent.length;
    if (dims % 2 || dims === 0 || dims > 2 * this.pairs)
      throw new InputError(
        `the latent has ${dims} dimensions, expected 2, 4, ... or ${2 * this.pairs}`,
      );
    const indices = new Uint8Array(dims / 2);
    for (let pair = 0; pair < indices.length; pair++)
      indices[pair] = this.#nearestOf(pair, latent[2 * pair]!, latent[2 * pair + 1]!);
    return indices;
  }

  #nearestOf(pair: number, x: number, y: number): number {
    let best = 0;
    let nearest = Infinity;
    for (let k = 0; k < this.cosets.length; k++) {
      const { origin, pitch, last, stride, base } = this.cosets[k]!;
      const perPitch = this.#perPitch[k]!;
      const at = 2 * pair;
      const stepX = step(x, origin[at]!, perPitch[at]!, last[at]!);
      const stepY = step(y, origin[at + 1]!, perPitch[at + 1]!, last[at + 1]!);
      const missX = stepX * pitch[at]! + origin[at]! - x;
      const missY = stepY * pitch[at + 1]! + origin[at + 1]! - y;
      const distance = missX * missX + missY * missY;
      if (distance < nearest) {
        nearest = distance;
        best = stepX * stride[at]! + stepY * stride[at + 1]! + base[pair]!;
      }
    }
    if (nearest === Infinity)
      throw new InputError("the latent holds NaN, infinite or huge numbers, expected finite ones");
    return best;
  }

  /**
   * Grid points in grid units, two numbers to each of `indices`, 1 to P of them.
   *
   * @throws InputError for more of them, or an index beyond its grid
   */
  point(indices: ArrayLike<number>): Float32Array {
    return this.#lookUp(this.#points, indices);
  }

  /** Grid points divided by `norm`: as {@link point}, within -1 to 1. */
  normalised(indices: ArrayLike<number>): Float32Array {
    return this.#lookUp(this.#normalised, indices);
  }

  #lookUp(tables: readonly Float32Array[], indices: ArrayLike<number>): Float32Array {
    const pairs = indices.length;
    if (pairs === 0 || pairs > this.pairs)
      throw new InputError(`${pairs} indices came, expected 1 to ${this.pairs}`);
    const points = new Float32Array(2 * pairs);
    for (let pair = 0; pair < pairs; pair++) {
      const index = indices[pair]!;
      if (!(index >= 0 && index < this.codes[pair]!))
        throw new InputError(
          `index ${index} of pair ${pair} is out of range, expected 0 to below ${this.codes[pair]}`,
        );
      points[2 * pair] = tables[pair]![2 * index]!;
      points[2 * pair + 1] = tables[pair]![2 * index + 1]!;
    }
    return points;
  }
}

function step(x: number, origin: number, perPitch: number, last: number): number {
  return Math.max(0, Math.min(last, roundHalfEven((x - origin) * perPitch)));
}

/** Points of a pair in the order of their indices, x and y alternately. */
function tableOf(boxes: readonly Box[]): number[] {
  const table: number[] = [];
  for (const { origin, pitch, points, stride, base } of boxes)
    for (let y = 0; y < points[1]; y++)
      for (let x = 0; x < points[0]; x++) {
        const index = base + x * stride[0] + y * stride[1];
        table[2 * index] = origin[0] + x * pitch[0];
        table[2 * index + 1] = origin[1] + y * pitch[1];
      }
  return table;
}
