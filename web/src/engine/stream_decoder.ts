/** Rows of numbers or packets to PCM, frame by frame; see `StreamDecoder` of Python. */
import { REFINEMENT_SYMBOLS, type CodecConfig, type Rate } from "../config";
import { InputError } from "../errors";
import type { Lattice } from "../lattice";
import { Toc, type PacketCoder } from "../packet";
import { STEPS, SYMBOLS, type RefinementCode } from "../refinement/code";
import { Refiner, type RefinerState } from "../refinement/windows";
import { DecoderInputs } from "./points";
import type { ModelRunner, Tensors } from "./runner";

interface Heard {
  readonly points: Float32Array;
  readonly rate: number;
}

/**
 * The first frames of a loss sound as the frame before it did; then the network, told that nothing
 * arrives, goes on by itself. Before a first frame has arrived all is silence.
 */
export class StreamDecoder {
  /** How many frames of a loss sound as the one before: 40 ms. */
  heldFrames = 3;

  readonly #inputs: DecoderInputs;
  readonly #gains: readonly number[];
  readonly #refiner: Refiner;

  #state!: Tensors;
  #last: Heard | null = null;
  #toHold = 0;
  #packetFrames = 1;
  #gain: number | null = null;
  #isLate = false;
  #toMute = 0;
  #number = 0;
  #refined!: RefinerState;

  /**
   * @param gainsDb what the graph's output is multiplied by, one number per rate
   * @param late whether the output is one frame later from the start; else it is so from the first
   *     frame with refinement on, until {@link reset}
   */
  constructor(
    private readonly graph: ModelRunner,
    private readonly config: CodecConfig,
    lattice: Lattice,
    private readonly packets: PacketCoder,
    gainsDb: readonly number[],
    private readonly code: RefinementCode | null = null,
    private readonly beginsLate = false,
  ) {
    this.#inputs = new DecoderInputs(graph, config, lattice);
    this.#gains = gainsDb.map((gain) => Math.fround(10 ** (gain / 20)));
    this.#refiner = new Refiner(config.sampleRate, config.hop, code?.sharpening ?? 0);
    this.reset();
  }

  /** Samples per frame. */
  get frameSamples(): number {
    return this.config.hop;
  }

  /** By how much the output trails the encoder's input, in samples. */
  get delaySamples(): number {
    return this.config.lookahead + (this.#isLate ? this.config.hop : 0);
  }

  /** Forget the past: the next frame is the first of a stream. */
  reset(): void {
    this.#state = this.graph.initialState();
    this.#last = null;
    this.#toHold = 0;
    this.#packetFrames = 1;
    this.#gain = null;
    this.#isLate = this.beginsLate;
    this.#toMute = 0;
    this.#number = 0;
    this.#refined = this.#refiner.initialState();
  }

  /**
   * Say which frame of the stream comes next, counted from 0: frames that are lost count, also
   * those for which nobody calls.
   */
  seek(number: number): void {
    this.#number = number;
  }

  /**
   * Decode one packet.
   *
   * @param packet null for a lost one: as many frames as the packet before it had are concealed
   * @returns 320 samples to each frame, -1 to 1
   * @throws FormatError: bytes that no encoder of this model makes; the stream is as it was before
   */
  decode(packet: Uint8Array | null): Float32Array {
    const rows = packet ? this.packets.decode(packet) : Array<null>(this.#packetFrames).fill(null);
    if (packet) this.#packetFrames = Toc.fromPacket(packet).frames;
    const pcm = new Float32Array(rows.length * this.config.hop);
    rows.forEach((row, n) => pcm.set(this.push(row), n * this.config.hop));
    return pcm;
  }

  /**
   * Decode one frame.
   *
   * @param row what the encoder's push returned; null for a lost frame
   * @returns 320 samples, -1 to 1
   * @throws InputError: a number of numbers that is no rate, or one out of range; the stream is as
   *     it was before
   */
  push(row: Uint8Array | null): Float32Array {
    if (!row) return this.#conceal();
    const rate = this.config.widthToRate(row.length);
    const points = this.#inputs.points(row.subarray(0, rate.pairs));
    const error = rate.refined ? this.#errorOf(row.subarray(rate.pairs)) : null;
    if (!this.#last) this.#begin(rate);
    this.#last = { points, rate: rate.index };
    this.#toHold = this.heldFrames;
    return this.#step(points, rate.index, rate.index, error, false);
  }

  #begin(rate: Rate): void {
    this.#state = this.#inputs.primed(this.graph, rate.index);
    this.#isLate = this.beginsLate || rate.refined;
    // what comes before the first sample that was encoded
    this.#toMute = Math.floor(this.delaySamples / this.config.hop);
  }

  /** What the refinement's numbers say, the step and 40 symbols or nine indices. */
  #errorOf(numbers: Uint8Array): Float32Array {
    const code = this.code!;
    if (numbers.length !== REFINEMENT_SYMBOLS) return code.indicesToError(numbers);
    const [step, symbols] = [numbers[0]!, numbers.subarray(1)];
    const highest = Math.max(...symbols);
    if (step >= STEPS.length || highest >= SYMBOLS)
      throw new InputError(
        `the refinement has step ${step} and symbols up to ${highest}, expected below ` +
          `${STEPS.length} and ${SYMBOLS}`,
      );
    return code.symbolsToError(symbols, step);
  }

  #conceal(): Float32Array {
    if (!this.#last) return new Float32Array(this.config.hop);
    const { points, rate } = this.#last;
    if (this.#toHold) {
      this.#toHold -= 1;
      return this.#step(points, rate, rate, null, true);
    }
    return this.#step(this.#inputs.nothing, this.#inputs.lost, rate, null, true);
  }

  #step(
    points: Float32Array,
    flag: number,
    rate: number,
    error: Float32Array | null,
    lost: boolean,
  ): Float32Array {
    if (this.code) this.#state = this.#inputs.withNoiseOf(this.#state, this.#number++);
    const { output, state } = this.#inputs.step(this.graph, points, flag, this.#state);
    this.#state = state;
    const isRefined = this.#isLate || error !== null;
    const pcm = isRefined ? this.#refine(output, error, lost) : output;
    // for the day when refinement begins
    if (!isRefined) this.#refined = { ...this.#refined, decoded: output };
    const gain = this.#gains[rate]!;
    const before = this.#gain ?? gain;
    this.#gain = gain;
    if (this.#toMute) {
      this.#toMute -= 1;
      return new Float32Array(pcm.length);
    }
    const rise = (gain - before) / (pcm.length - 1); // a change of rate makes no step
    return pcm.map((sample, n) => Math.max(-1, Math.min(1, sample * (before + n * rise))));
  }

  /**
   * The frame before `decoded`, refined. Where refinement begins amid a sound, that frame is heard
   * again; the sound fades from what would follow into it.
   */
  #refine(decoded: Float32Array, error: Float32Array | null, lost: boolean): Float32Array {
    if (this.#isLate) {
      const { refined, state } = this.#refiner.step(decoded, error, this.#refined, lost);
      this.#refined = state;
      return refined;
    }
    this.#isLate = true;
    const once = this.#refined.decoded; // the window before was never analysed
    const { refined, state } = this.#refiner.step(decoded, error, this.#refined);
    this.#refined = state;
    const last = decoded.length - 1;
    return decoded.map((sample, n) => {
      const target = refined[n]! + once[n]! * this.#refiner.fall[n]!;
      return sample + (target - sample) * (n / last);
    });
  }
}
