/** The shipped models, loaded and checked once; the twin of `q2d2_stream/engine/codec.py`. */
import { CodecConfig, type Rate } from "../config";
import { IndexCoder } from "../entropy/indices";
import { Tables } from "../entropy/tables";
import { ModelError } from "../errors";
import { Lattice } from "../lattice";
import { PacketCoder } from "../packet";
import { NoiseShaper } from "../quantizer";
import { RefinementCode } from "../refinement/code";
import { ServedFiles, type CodecFiles } from "./files";
import type { LiteRtModule } from "./litert_module";
import { LitertRunner } from "./litert_runner";
import type { Metadata } from "./model_file";
import type { ModelRunner } from "./runner";
import { SenderLoop } from "./sender_loop";
import { StreamDecoder } from "./stream_decoder";
import { StreamEncoder } from "./stream_encoder";

const MODEL_FORMAT = "1";

/** Name of the entropy tables beside the model files. */
const TABLES_FILE = "indices.tables";

const UNMEASURED_GAIN_DB = -1; // of models whose files do not tell theirs
const LARGEST_GAIN_DB = 20;
const TYPICAL_FRAMES = 3; // of a packet, for the ladder's coded bit rates

/** A pair of models that belong together; makes encoders and decoders, any number of each. */
export class Codec {
  /** The bitstream's parameters. */
  readonly config: CodecConfig;
  /** Name of the weights; equal ids interoperate. */
  readonly modelId: string;
  /** The first 8 bytes of the weights' SHA-256, which a call's two ends compare. */
  readonly modelHash: Uint8Array;
  /** The grids of all pairs. */
  readonly lattice: Lattice;
  /** How the rate with refinement sends errors; null where there is none. */
  readonly refinementCode: RefinementCode | null;
  /** Packets of this model, entropy coded where {@link coder} is there. */
  readonly packets: PacketCoder;
  /** The ladder of bit rates, with what speech takes at each where there are tables. */
  readonly rates: readonly Rate[];

  readonly #feedback: number[][] | null;
  readonly #gainsDb: readonly number[];

  private constructor(
    private readonly encoderGraph: ModelRunner,
    private readonly decoderGraph: ModelRunner,
    config: CodecConfig,
    /** Codes this model's indices; null without tables that belong to it. */
    readonly coder: IndexCoder | null,
  ) {
    const { metadata } = decoderGraph;
    this.config = config;
    this.modelId = field(metadata, "q2d2.model_id");
    this.modelHash = hashOf(metadata);
    this.lattice = new Lattice(config.lattice, config.levels);
    this.#feedback = feedbackOf(metadata["q2d2.feedback"]);
    this.#gainsDb = gainsOf(metadata["q2d2.gain_db"], config.ladder.length);
    this.refinementCode = config.refined
      ? RefinementCode.fromJson(metadata["q2d2.refinement"] ?? "")
      : null;
    this.packets = new PacketCoder(config, coder);
    this.rates = config.ladder.map((rate) => {
      if (!coder) return rate;
      const bits = coder.typicalBits(rate.index, TYPICAL_FRAMES) / TYPICAL_FRAMES;
      return rate.withCodedKbps((bits * config.frameRate) / 1000);
    });
    this.#shaper(); // what is wrong with it shall be said now
  }

  /**
   * Fetch, check and warm up: a known frame runs through both graphs twice.
   *
   * @throws ModelError: files missing, damaged, of another format, or run wrongly here
   */
  static async load(files: CodecFiles = new ServedFiles()): Promise<Codec> {
    const fetched = ["encoder", "decoder"].map((role) => fetchModel(files, role));
    const [module, tables, ...models] = await Promise.all([
      files.engine(),
      files.model(TABLES_FILE),
      ...fetched,
    ]);
    const decoder = await loadGraph(module, "decoder", models[1]!);
    const encoder = await loadGraph(module, "encoder", models[0]!);
    const [id, other] = [decoder, encoder].map(({ metadata }) => field(metadata, "q2d2.model_id"));
    if (id !== other)
      throw new ModelError(
        `the encoder is of model ${other}, the decoder of ${id}: reload the page`,
      );
    const config = CodecConfig.fromJson(field(decoder.metadata, "q2d2.codec"));
    const coder = tables && (await coderOf(tables, config, hashOf(decoder.metadata)));
    return new Codec(encoder, decoder, config, coder);
  }

  /**
   * A new encoder.
   *
   * @param bitrate the name of a rate ("3"), a number of kbps, or one of {@link rates}; null for
   *     the one nearest to 3 kbps
   * @throws InputError: the model has no such rate
   */
  encoder(bitrate: Rate | string | number | null = null): StreamEncoder {
    const rate = this.config.findRate(bitrate);
    const refinement = this.refinementCode && {
      code: this.refinementCode,
      loop: new SenderLoop(this.decoderGraph, this.config, this.lattice),
    };
    const { encoderGraph, config, packets } = this;
    const encoder = new StreamEncoder(encoderGraph, config, this.#shaper(), packets, refinement);
    encoder.rate = rate;
    return encoder;
  }

  /**
   * A new decoder; with `late` its output is as late as that of the rate with refinement from the
   * start on, so that no change of rate will ever change the delay.
   */
  decoder(late = false): StreamDecoder {
    const { decoderGraph, config, lattice, packets, refinementCode } = this;
    return new StreamDecoder(
      decoderGraph,
      config,
      lattice,
      packets,
      this.#gainsDb,
      refinementCode,
      late,
    );
  }

  #shaper(): NoiseShaper {
    return new NoiseShaper(this.lattice, this.#feedback);
  }
}

async function fetchModel(files: CodecFiles, role: string): Promise<Uint8Array> {
  const name = nameOf(role);
  const data = await files.model(name);
  if (!data)
    throw new ModelError(`there is no ${name} on this server: its installation lacks models`);
  return data;
}

async function loadGraph(
  module: LiteRtModule,
  role: string,
  data: Uint8Array,
): Promise<ModelRunner> {
  const graph = await LitertRunner.load(module, nameOf(role), data);
  const { "q2d2.format": format, "q2d2.role": found } = graph.metadata;
  if (format !== MODEL_FORMAT || found !== role)
    throw new ModelError(
      `this model file says format ${format}, role ${found}; expected format ${MODEL_FORMAT}, ` +
        `role ${role}: export it again with this version of q2d2-stream`,
    );
  return graph;
}

function nameOf(role: string): string {
  return `${role}.int8.tflite`;
}

/** Without tables that fit, indices keep their fixed size: that is no reason not to talk. */
async function coderOf(
  data: Uint8Array,
  config: CodecConfig,
  modelHash: Uint8Array,
): Promise<IndexCoder | null> {
  try {
    const tables = await Tables.fromBytes(data, config);
    if (tables.modelHash.every((byte, n) => byte === modelHash[n]))
      return new IndexCoder(config, tables);
    console.warn(`${TABLES_FILE} belongs to other weights: indices keep their fixed size`);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    console.warn(`${TABLES_FILE} cannot be used, indices keep their fixed size: ${error.message}`);
  }
  return null;
}

/** What is no JSON is refused with everything else that a field cannot be. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function field(metadata: Metadata, name: string): string {
  const value = metadata[name];
  if (value === undefined)
    throw new ModelError(`the model says nothing of ${name}: export it again with this version`);
  return value;
}

function hashOf(metadata: Metadata): Uint8Array {
  const digits = field(metadata, "q2d2.model_hash").match(/../g) ?? [];
  return Uint8Array.from(digits, (pair) => Number.parseInt(pair, 16));
}

function feedbackOf(text: string | undefined): number[][] | null {
  const feedback: unknown = parsed(text ?? "null");
  const isMatrix = Array.isArray(feedback) && feedback.every(Array.isArray);
  if (feedback !== null && !isMatrix)
    throw new ModelError("the model's feedback is no matrix: export it again with this version");
  return feedback as number[][] | null;
}

function gainsOf(text: string | undefined, rates: number): number[] {
  if (text === undefined) return Array<number>(rates).fill(UNMEASURED_GAIN_DB);
  const gains = parsed(text);
  const isSane = (gain: unknown): boolean =>
    typeof gain === "number" && Math.abs(gain) <= LARGEST_GAIN_DB;
  if (!Array.isArray(gains) || gains.length !== rates || !gains.every(isSane))
    throw new ModelError(
      `the model's gains are ${text} dB, expected ${rates} numbers within ${LARGEST_GAIN_DB} dB: ` +
        "export it again with this version of q2d2-stream",
    );
  return gains as number[];
}
