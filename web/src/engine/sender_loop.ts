/**
 * The sender's own decoder: what the receiver hears before it refines it. The twin of
 * `q2d2_stream/engine/sender_loop.py`.
 *
 * It runs at the rate with refinement alone. When that rate begins, or begins again, it first goes
 * over the frames that were sent before, from where the receiver's noise stood then.
 */
import type { CodecConfig, Rate } from "../config";
import type { Lattice } from "../lattice";
import { ErrorMeter, type MeterState } from "../refinement/windows";
import { DecoderInputs } from "./points";
import type { ModelRunner, Tensors } from "./runner";

const MEMORY_FRAMES = 48; // how far back the decoder's blocks look

interface Sent {
  readonly points: Float32Array;
  readonly flag: number;
}

/** Tells by how much what a receiver decodes is off; one per stream. */
export class SenderLoop {
  readonly #graph: ModelRunner;
  readonly #inputs: DecoderInputs;
  readonly #meter: ErrorMeter;
  #measured: MeterState;
  #sent: Sent[] = [];
  #number = 0;
  #state: Tensors;
  #inStep = false;

  constructor(graph: ModelRunner, config: CodecConfig, lattice: Lattice) {
    this.#graph = graph;
    this.#inputs = new DecoderInputs(graph, config, lattice);
    this.#meter = new ErrorMeter(config.sampleRate, config.hop);
    this.#measured = this.#meter.initialState();
    this.#state = graph.initialState();
  }

  /** Forget the past: the next frame is the first of a stream. */
  reset(): void {
    this.#measured = this.#meter.initialState();
    this.#sent = [];
    this.#number = 0;
    this.#state = this.#graph.initialState();
    this.#inStep = false;
  }

  /** The next frame is number `number` of the stream, not the one after the last. */
  seek(number: number): void {
    if (number === this.#number) return;
    this.#number = number;
    this.#inStep = false;
  }

  /** A frame was sent as these indices at a rate without refinement. */
  skip(original: Float32Array, pairs: Uint8Array, rate: Rate): void {
    this.#remember(pairs, rate);
    this.#measured = this.#meter.skip(original, this.#measured);
    this.#inStep = false;
  }

  /** The error, 40 in nepers, that goes with a frame and its indices. */
  error(original: Float32Array, pairs: Uint8Array, rate: Rate): Float32Array {
    if (!this.#inStep) this.#catchUp(rate);
    const { points, flag } = this.#remember(pairs, rate);
    const decoded = this.#inputs.step(this.#graph, points, flag, this.#state);
    this.#state = decoded.state;
    const measured = this.#meter.step(original, decoded.output, this.#measured);
    this.#measured = measured.state;
    return measured.error;
  }

  #remember(pairs: Uint8Array, rate: Rate): Sent {
    const sent = { points: this.#inputs.points(pairs), flag: rate.index };
    this.#sent.push(sent);
    if (this.#sent.length > MEMORY_FRAMES) this.#sent.shift();
    this.#number += 1;
    return sent;
  }

  #catchUp(rate: Rate): void {
    this.#inStep = true;
    if (this.#sent.length === 0) {
      const primed = this.#inputs.primed(this.#graph, rate.index);
      this.#state = this.#inputs.withNoiseOf(primed, this.#number);
      return;
    }
    const begun = this.#number - this.#sent.length;
    this.#state = this.#inputs.withNoiseOf(this.#graph.initialState(), begun);
    let { decoded } = this.#measured;
    for (const { points, flag } of this.#sent) {
      const step = this.#inputs.step(this.#graph, points, flag, this.#state);
      decoded = step.output;
      this.#state = step.state;
    }
    this.#measured = { ...this.#measured, decoded };
  }
}
