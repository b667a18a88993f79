/**
 * What both ends of a link must agree on: sample rate, hop, lattice and ladder of bit rates. The
 * twin of `q2d2_stream/config.py`.
 */
import { InputError } from "./errors";
import { KINDS, type LatticeKind } from "./lattice";
import { roundHalfEven } from "./rounding";

/** Samples per second of every model, and of all sound between it and the devices. */
export const SAMPLE_RATE = 24_000;

/** Samples of a frame: 13.3 ms. */
export const FRAME_SAMPLES = 320;

/** Grid levels of the refinement's components where it is sent at a fixed size: rhombic pairs. */
export const REFINEMENT_LEVELS: readonly number[] = [
  ...Array<number>(6).fill(5),
  ...Array<number>(12).fill(3),
];

/** How many values each number of the refinement has where it is entropy coded. */
export const REFINEMENT_SIZES: readonly number[] = [4, ...Array<number>(40).fill(61)];

/** How many numbers these are: the step and 40 components. */
export const REFINEMENT_SYMBOLS = REFINEMENT_SIZES.length;

/** Most bits that these take in a frame. */
export const REFINEMENT_LIMIT_BITS = 110;

const DEFAULT_KBPS = 3.0;

/** One step of a model's ladder of bit rates. */
export class Rate {
  readonly #packedBytes = new Map<number, number>();

  constructor(
    /** Its number in packets and hellos, from 0 on, ascending with the bit rate. */
    readonly index: number,
    /** What users call it: kilobits per second to the nearest half, "1.5". */
    readonly name: string,
    /** How many of the latent's pairs are sent. */
    readonly pairs: number,
    /** How many values each index of a frame has, in the frame's order. */
    readonly codebookSizes: readonly number[],
    /** Frames per second. */
    readonly frameRate: number,
    /** Samples by which the decoder's output trails its input at this rate. */
    readonly lookahead: number,
    /** Whether the frame's last numbers are those of the refinement. */
    readonly refined: boolean,
    /** What speech takes on average in packets of three frames; null where there are no tables. */
    readonly codedKbps: number | null = null,
  ) {}

  /** log2 of the number of different frames. */
  get bitsPerFrame(): number {
    return this.codebookSizes.reduce((bits, codes) => bits + Math.log2(codes), 0);
  }

  /** Nominal kilobits per second: neither entropy coding nor any header counted. */
  get kbps(): number {
    return (this.bitsPerFrame * this.frameRate) / 1000;
  }

  /** Bytes of the indices of `frames` frames without entropy coding. */
  packedBytes(frames: number): number {
    let bytes = this.#packedBytes.get(frames);
    if (bytes === undefined) {
      const perFrame = this.codebookSizes.reduce((n, codes) => n * BigInt(codes), 1n);
      const bits = (perFrame ** BigInt(frames) - 1n).toString(2).replace(/^0$/, "").length;
      bytes = (bits + 7) >> 3;
      this.#packedBytes.set(frames, bytes);
    }
    return bytes;
  }

  /** Bytes that `frames` frames take at most, coded or not. */
  mostBytes(frames: number): number {
    return this.packedBytes(frames) * (this.refined ? 4 : 1);
  }

  /** The same rate, and what speech takes at it. */
  withCodedKbps(kbps: number): Rate {
    const { index, name, pairs, codebookSizes, frameRate, lookahead, refined } = this;
    return new Rate(index, name, pairs, codebookSizes, frameRate, lookahead, refined, kbps);
  }

  toString(): string {
    return `${this.name} kbps`;
  }
}

interface Fields {
  sample_rate: number;
  hop: number;
  lattice: LatticeKind;
  levels: readonly number[];
  rates: readonly number[];
  lookahead: number;
  refined: boolean;
}

const DEFAULTS: Fields = {
  sample_rate: SAMPLE_RATE,
  hop: FRAME_SAMPLES,
  lattice: "rhombic",
  levels: [9, 9, ...Array<number>(22).fill(7)],
  rates: [3, 4, 6, 12],
  lookahead: FRAME_SAMPLES,
  refined: false,
};

/**
 * The bitstream's parameters. The pairs of a latent are ordered by importance, so a lower rate is a
 * prefix of a higher one, and the rate may change at any frame.
 */
export class CodecConfig {
  readonly sampleRate: number;
  /** Samples per frame. */
  readonly hop: number;
  readonly lattice: LatticeKind;
  /** Grid levels of every latent dimension; adjacent dimensions form a pair. */
  readonly levels: readonly number[];
  /** Pairs sent at each rate of the ladder but for the refined one, ascending. */
  readonly rates: readonly number[];
  /** Samples by which the decoder's output trails its input. */
  readonly lookahead: number;
  /** Whether one more rate follows, with refinement. */
  readonly refined: boolean;
  /** Number of grid points of every pair. */
  readonly codebookSizes: readonly number[];
  /** All rates of this model, the lowest first; a rate's index is its place here. */
  readonly ladder: readonly Rate[];

  readonly #byWidth: ReadonlyMap<number, Rate>;

  /** @throws InputError where the fields make no codec */
  constructor(fields: Partial<Fields> = {}) {
    const all = { ...DEFAULTS, ...fields };
    this.sampleRate = all.sample_rate;
    this.hop = all.hop;
    this.lattice = all.lattice;
    this.levels = all.levels;
    this.rates = all.rates;
    this.lookahead = all.lookahead;
    this.refined = all.refined;
    this.#check();
    this.codebookSizes = pairSizes(this.lattice, this.levels);
    this.ladder = this.#makeLadder();
    const widths = new Map(this.ladder.map((rate) => [rate.codebookSizes.length, rate]));
    if (this.refinedRate) widths.set(this.refinedRate.pairs + REFINEMENT_SYMBOLS, this.refinedRate);
    this.#byWidth = widths;
  }

  /**
   * Of a model's metadata.
   *
   * @throws InputError for anything else
   */
  static fromJson(text: string): CodecConfig {
    let fields: Partial<Fields>;
    try {
      fields = JSON.parse(text) as Partial<Fields>;
    } catch (error) {
      throw new InputError(`this is not a codec configuration: ${String(error)}`);
    }
    const numbers = [fields.sample_rate, fields.hop, fields.lookahead];
    const lists = [fields.levels, fields.rates];
    if (
      !numbers.every((n) => Number.isInteger(n)) ||
      !lists.every((list) => Array.isArray(list) && list.every((n) => Number.isInteger(n)))
    )
      throw new InputError("this is not a codec configuration: numbers are missing");
    return new CodecConfig(fields);
  }

  #check(): void {
    const { levels, rates } = this;
    if (!KINDS.includes(this.lattice))
      throw new InputError(`lattice is '${this.lattice}', expected one of ${KINDS.join(", ")}`);
    if (levels.length === 0 || levels.length % 2)
      throw new InputError(
        `levels has ${levels.length} entries, expected an even number: adjacent dimensions form ` +
          "a pair",
      );
    const ascending = rates.every((rate, n) => n === 0 || rate > rates[n - 1]!);
    if (rates.length === 0 || !ascending)
      throw new InputError(`rates is ${rates.join(", ")}, expected ascending numbers of pairs`);
    if (rates[0]! < 1 || rates.at(-1)! > this.pairs)
      throw new InputError(
        `rates is ${rates.join(", ")}, expected numbers from 1 to ${this.pairs} pairs`,
      );
  }

  #makeLadder(): Rate[] {
    const sizes = this.rates.map((pairs) => this.codebookSizes.slice(0, pairs));
    if (this.refined) sizes.push([...sizes.at(-1)!, ...pairSizes("rhombic", REFINEMENT_LEVELS)]);
    const kbps = sizes.map(
      (codes) => (codes.reduce((bits, n) => bits + Math.log2(n), 0) * this.frameRate) / 1000,
    );
    const names = namesOf(kbps);
    return sizes.map((codes, index) => {
      const refined = index === this.rates.length;
      const pairs = this.rates[index] ?? this.rates.at(-1)!;
      const lookahead = this.lookahead + (refined ? this.hop : 0);
      return new Rate(index, names[index]!, pairs, codes, this.frameRate, lookahead, refined);
    });
  }

  /** Number of pairs in the latent, the most that a frame can carry. */
  get pairs(): number {
    return this.levels.length / 2;
  }

  /** Frames per second. */
  get frameRate(): number {
    return this.sampleRate / this.hop;
  }

  /** Length of one frame in milliseconds. */
  get frameMs(): number {
    return (1000 * this.hop) / this.sampleRate;
  }

  /** Algorithmic latency in milliseconds: one frame to fill, plus the look-ahead. */
  get latencyMs(): number {
    return (1000 * (this.hop + this.lookahead)) / this.sampleRate;
  }

  /** The rate with refinement; null where there is none. */
  get refinedRate(): Rate | null {
    return this.refined ? this.ladder.at(-1)! : null;
  }

  /** The rate nearest to 3 kbps: what is used where nobody asks for another. */
  get defaultRate(): Rate {
    const away = (rate: Rate): number => Math.abs(rate.kbps - DEFAULT_KBPS);
    return this.ladder.reduce((best, rate) => (away(rate) < away(best) ? rate : best));
  }

  /**
   * The rate that a user means: its name ("3"), or a number of kilobits per second, the name's or
   * the nominal one to a tenth. null for {@link defaultRate}.
   *
   * @throws InputError where this model has no such rate
   */
  findRate(bitrate: Rate | string | number | null = null): Rate {
    if (bitrate === null) return this.defaultRate;
    const name = bitrate instanceof Rate ? bitrate.name : String(bitrate);
    const named = this.ladder.find((rate) => rate.name === name);
    if (named) return named;
    const kbps = Number(name);
    for (const rate of this.ladder)
      if (kbps === Number(rate.name) || Math.abs(kbps - rate.kbps) <= 0.05) return rate;
    const names = this.ladder.map((rate) => rate.name).join(", ");
    throw new InputError(`the bit rate is '${name}', expected one of ${names} (kbps)`);
  }

  /**
   * The rate of a packet or hello.
   *
   * @throws InputError where the model has none such
   */
  indexToRate(index: number): Rate {
    const rate = this.ladder[index];
    if (!rate) throw new InputError(`rate is ${index}, expected 0 to ${this.ladder.length - 1}`);
    return rate;
  }

  /**
   * The rate whose frames have `width` numbers. With refinement a frame has nine more indices after
   * those of its pairs (the fixed form), or a step and 40 symbols (the coded form).
   *
   * @throws InputError where there is none
   */
  widthToRate(width: number): Rate {
    const rate = this.#byWidth.get(width);
    if (!rate) {
      const known = [...this.#byWidth.keys()].join(", ");
      throw new InputError(`a frame has ${width} indices, expected one of ${known}`);
    }
    return rate;
  }
}

function pairSizes(lattice: LatticeKind, levels: readonly number[]): number[] {
  const sizes = [];
  for (let d = 0; d < levels.length; d += 2) {
    const lx = levels[d]!;
    const ly = levels[d + 1]!;
    sizes.push(lx * ly + (lattice === "rhombic" ? (lx - 1) * (ly - 1) : 0));
  }
  return sizes;
}

/** A name for every rate: to the nearest half where that tells them apart, else finer. */
function namesOf(kbps: readonly number[]): string[] {
  const halves = kbps.map((rate) => String(roundHalfEven(2 * rate) / 2));
  const isTwice = (name: string): boolean =>
    name === "0" || halves.filter((other) => other === name).length > 1;
  return halves.map((name, n) => (isTwice(name) ? kbps[n]!.toFixed(2) : name));
}
