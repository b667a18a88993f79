/** PCM to rows of numbers or to packets, frame by frame; see `StreamEncoder` of Python. */
import { REFINEMENT_LIMIT_BITS, REFINEMENT_SYMBOLS, type CodecConfig, type Rate } from "../config";
import { InputError } from "../errors";
import { MAX_PACKET_FRAMES, type PacketCoder } from "../packet";
import type { NoiseShaper } from "../quantizer";
import { STEPS, SYMBOL_ZERO, type RefinementCode } from "../refinement/code";
import { checkFrames } from "./frames";
import type { ModelRunner, Tensors } from "./runner";
import type { SenderLoop } from "./sender_loop";
import { StartOffset } from "./start_offset";

/** How errors are sent, and the loop that finds them, of a model with refinement. */
export interface SenderRefinement {
  readonly code: RefinementCode;
  readonly loop: SenderLoop;
}

/** One per direction of a call. */
export class StreamEncoder {
  /**
   * Most bits that the coded refinement of a frame takes, 20 to 110; what would be longer is told
   * in larger steps. For links of a constant rate.
   */
  refinementLimitBits = REFINEMENT_LIMIT_BITS;

  /**
   * Whether refinement takes its coded form, which the receiver can only read with the same entropy
   * tables; from the start, whether there are any here.
   */
  codedRefinement: boolean;

  #rate: Rate;
  #state: Tensors;
  #offset: StartOffset;

  constructor(
    private readonly graph: ModelRunner,
    private readonly config: CodecConfig,
    private readonly shaper: NoiseShaper,
    private readonly packets: PacketCoder,
    private readonly refinement: SenderRefinement | null = null,
  ) {
    this.codedRefinement = packets.coder !== null;
    this.#rate = config.defaultRate;
    this.#state = graph.initialState();
    this.#offset = new StartOffset(config.sampleRate);
  }

  /** The rate of the next frame; may be set at any time. */
  get rate(): Rate {
    return this.#rate;
  }

  /** @throws InputError for one that is not on the model's ladder */
  set rate(bitrate: Rate | string | number) {
    this.#rate = this.config.findRate(bitrate);
  }

  /** Samples per frame. */
  get frameSamples(): number {
    return this.config.hop;
  }

  /** How many numbers a row has at this rate. */
  get width(): number {
    if (!this.#rate.refined) return this.#rate.pairs;
    if (this.codedRefinement) return this.#rate.pairs + REFINEMENT_SYMBOLS;
    return this.#rate.codebookSizes.length;
  }

  /** Forget the past: the next frame is the first of a stream. */
  reset(): void {
    this.#state = this.graph.initialState();
    this.shaper.reset();
    this.#offset = new StartOffset(this.config.sampleRate);
    this.refinement?.loop.reset();
  }

  /**
   * Say that the next frame is number `number` of the stream, counted from 0, and not the one after
   * the last. A decoder that is told the same makes the same noise.
   */
  seek(number: number): void {
    this.refinement?.loop.seek(number);
  }

  /**
   * Encode whole frames to one packet.
   *
   * @param pcm 1 to 16 frames, 24 kHz mono, nominally -1 to 1
   * @throws InputError: another length or range; the stream is as it was before
   */
  encode(pcm: Float32Array): Uint8Array {
    const { hop } = this.config;
    checkFrames(pcm, hop);
    const frames = pcm.length / hop;
    if (frames > MAX_PACKET_FRAMES)
      throw new InputError(
        `pcm has ${frames} frames, expected 1 to ${MAX_PACKET_FRAMES} in a packet: ` +
          "encode it in several",
      );
    const rows = Array.from({ length: frames }, (_, n) =>
      this.push(pcm.subarray(n * hop, (n + 1) * hop)),
    );
    return this.packets.encode(rows);
  }

  /**
   * Encode one frame.
   *
   * @param frame 320 samples, 24 kHz mono, nominally -1 to 1
   * @returns the indices of as many pairs as the rate sends; at the rate with refinement followed
   *     by its numbers
   * @throws InputError: another length or range; the stream is as it was before
   */
  push(frame: Float32Array): Uint8Array {
    if (frame.length !== this.config.hop)
      throw new InputError(`the frame has ${frame.length} samples, expected ${this.config.hop}`);
    checkFrames(frame, this.config.hop);
    const pcm = this.#offset.remove(frame);
    const { output, state } = this.graph.step({ pcm }, this.#state);
    this.#state = state;
    const pairs = this.shaper.quantize(output).subarray(0, this.#rate.pairs);
    if (!this.refinement) return pairs;
    const { loop } = this.refinement;
    if (this.#rate.refined) return this.#refined(pairs, loop.error(pcm, pairs, this.#rate));
    loop.skip(pcm, pairs, this.#rate);
    return pairs;
  }

  /**
   * Indices and, behind them, the error: coded with the smallest step that keeps to the limit, or
   * of fixed size.
   */
  #refined(pairs: Uint8Array, error: Float32Array): Uint8Array {
    const { code } = this.refinement!;
    const { coder } = this.packets;
    if (!coder || !this.codedRefinement) return Uint8Array.of(...pairs, ...code.indices(error));
    for (let step = 0; step < STEPS.length; step++) {
      const symbols = code.symbols(error, step, coder.symbolBits(step));
      if (coder.refinementBits(symbols, step) <= this.refinementLimitBits)
        return Uint8Array.of(...pairs, step, ...symbols);
    }
    const none = new Uint8Array(REFINEMENT_SYMBOLS - 1).fill(SYMBOL_ZERO);
    return Uint8Array.of(...pairs, STEPS.length - 1, ...none);
  }
}
