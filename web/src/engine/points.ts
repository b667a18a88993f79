/** What the decoder's graph is given of a frame. */
import type { CodecConfig } from "../config";
import type { Lattice } from "../lattice";
import { NoiseGenerators } from "../refinement/noise";
import type { ModelRunner, Tensors } from "./runner";

/** Frames of nothing until a decoder's state is one that sound leads to: 2 will do, 1 will not. */
export const PRIMING_FRAMES = 4;

/** Points and flags, as a decoder's graph wants them. */
export class DecoderInputs {
  /** The points of a frame that did not arrive. */
  readonly nothing: Float32Array;
  /** The number of its flag. */
  readonly lost: number;

  readonly #lattice: Lattice;
  readonly #flags: readonly Float32Array[];
  readonly #generators: NoiseGenerators | null;

  constructor(graph: ModelRunner, config: CodecConfig, lattice: Lattice) {
    this.nothing = new Float32Array(2 * config.pairs);
    this.lost = config.ladder.length;
    this.#lattice = lattice;
    const flags = config.ladder.length + 1;
    this.#flags = Array.from({ length: flags }, (_, flag) =>
      new Float32Array(flags).fill(1, flag, flag + 1),
    );
    const noise = graph.initialState()["noise"];
    this.#generators = noise ? new NoiseGenerators(noise.length) : null;
  }

  /**
   * Points of a frame's pairs, zero where no pair is sent.
   *
   * @throws InputError for an index beyond its grid
   */
  points(pairs: Uint8Array): Float32Array {
    const points = this.nothing.slice();
    points.set(this.#lattice.normalised(pairs));
    return points;
  }

  /** Run one frame: its samples, not yet at their level, and the state after. */
  step(
    graph: ModelRunner,
    points: Float32Array,
    flag: number,
    state: Tensors,
  ): { output: Float32Array; state: Tensors } {
    return graph.step({ points, flags: this.#flags[flag]! }, state);
  }

  /** A state whose noise is that of frame `number` of a stream, counted from 0. */
  withNoiseOf(state: Tensors, number: number): Tensors {
    if (!this.#generators) return state;
    return { ...state, noise: this.#generators.stateAfter(PRIMING_FRAMES + number) };
  }

  /**
   * The state before the first frame of a stream: no sound leads to the network's zero state, and
   * from it anything but silence begins with 25 ms of noise at full scale.
   */
  primed(graph: ModelRunner, rate: number): Tensors {
    let state = graph.initialState();
    for (let n = 0; n < PRIMING_FRAMES; n++)
      ({ state } = this.step(graph, this.nothing, rate, state));
    return state;
  }
}
