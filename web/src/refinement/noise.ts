/**
 * Where the decoder's noise stands after so many frames, without running it. The twin of
 * `q2d2_stream/refinement/noise.py`.
 */
const MULTIPLIER = 1229;
const INCREMENT = 2531;
const MODULUS = 4096;

/** One linear congruential generator per bin, from seeds without any order. */
export class NoiseGenerators {
  readonly #seeds: Uint16Array;
  /** Factor and summand of 0 to 4095 steps at once. */
  readonly #factors = new Uint16Array(MODULUS);
  readonly #offsets = new Uint16Array(MODULUS);

  constructor(bins: number) {
    this.#seeds = Uint16Array.from({ length: bins }, (_, n) => seed(n + 1));
    let factor = 1;
    let offset = 0;
    for (let steps = 0; steps < MODULUS; steps++) {
      this.#factors[steps] = factor;
      this.#offsets[steps] = offset;
      factor = (factor * MULTIPLIER) % MODULUS;
      offset = (offset * MULTIPLIER + INCREMENT) % MODULUS;
    }
  }

  /** The decoder's state "noise" after `frames` frames: each generator's distance from its seed. */
  stateAfter(frames: number): Float32Array {
    const factor = this.#factors[frames % MODULUS]!;
    const offset = this.#offsets[frames % MODULUS]!;
    return Float32Array.from(this.#seeds, (each) => ((each * factor + offset) % MODULUS) - each);
  }
}

/** The finalizer of SplitMix64 (Steele, Lea and Flood 2014), cut to 12 bits. */
function seed(n: number): number {
  const cut = (x: bigint): bigint => BigInt.asUintN(64, x);
  let z = cut(BigInt(n) * 0x9e37_79b9_7f4a_7c15n);
  z = cut((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
  z = cut((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn);
  return Number(((z ^ (z >> 31n)) >> 40n) % BigInt(MODULUS));
}
