/**
 * One packet of the codec: frames of one rate, in bytes that describe themselves. The twin of
 * `q2d2_stream/packet.py` (docs/reference/packet.md).
 *
 *     bit      7       6 5 4    3 2 1 0
 *     byte 0 | coded | rate   | frames - 1 |     the TOC
 *     byte 1 ...                                 the payload: indices of all frames
 *
 * A row holds the numbers of one frame: the indices of its pairs and, with refinement, its numbers.
 */
import type { CodecConfig } from "./config";
import type { IndexCoder } from "./entropy/indices";
import { FormatError, InputError } from "./errors";
import { pack, unpack } from "./packing";

/** Most frames of a packet: 213 ms. */
export const MAX_PACKET_FRAMES = 16;

/** Highest rate number that a TOC can tell; 7 is reserved. */
export const MAX_RATE = 6;

const CODED = 0x80;

/** A packet's first byte. */
export class Toc {
  /**
   * @param rate index into the model's ladder, 0 to 6
   * @param frames number of frames, 1 to 16
   * @param coded whether the payload is entropy coded
   * @throws InputError for what does not fit in a byte
   */
  constructor(
    readonly rate: number,
    readonly frames: number,
    readonly coded = false,
  ) {
    if (!(rate >= 0 && rate <= MAX_RATE))
      throw new InputError(`the rate of a packet is ${rate}, expected 0 to ${MAX_RATE}`);
    if (!(frames >= 1 && frames <= MAX_PACKET_FRAMES))
      throw new InputError(
        `a packet of ${frames} frames was asked for, expected 1 to ${MAX_PACKET_FRAMES}`,
      );
  }

  /** The byte, 0 to 255. */
  toByte(): number {
    return (this.frames - 1) | (this.rate << 4) | (this.coded ? CODED : 0);
  }

  /**
   * What a packet says of itself.
   *
   * @throws FormatError where it is empty or of rate 7
   */
  static fromPacket(packet: Uint8Array): Toc {
    const toc = packet[0];
    if (toc === undefined)
      throw new FormatError("the packet is empty, expected at least its TOC byte");
    const rate = (toc >> 4) & 7;
    if (rate > MAX_RATE)
      throw new FormatError(
        `the packet has the reserved rate ${rate}: it was made by a later version of ` +
          "q2d2-stream, or is damaged",
      );
    return new Toc(rate, (toc & 15) + 1, (toc & CODED) !== 0);
  }
}

/** The indices of some frames as bytes, without what describes them. */
export interface Payload {
  readonly data: Uint8Array;
  /** Whether they are entropy coded. */
  readonly coded: boolean;
}

/** Rows to packets and back. Holds no state between calls. */
export class PacketCoder {
  readonly coder: IndexCoder | null;
  readonly #config: CodecConfig;

  /**
   * @param coder null: everything is packed at its fixed size, and coded packets are refused
   * @throws InputError where the model has more rates than a packet can tell
   */
  constructor(config: CodecConfig, coder: IndexCoder | null = null) {
    if (config.ladder.length > MAX_RATE + 1)
      throw new InputError(
        `the model has ${config.ladder.length} rates, expected at most ${MAX_RATE + 1}: packets ` +
          "cannot tell more",
      );
    this.#config = config;
    this.coder = coder;
  }

  /**
   * The packet of 1 to 16 frames of one rate.
   *
   * @throws InputError: another number of frames, no such rate, or a number out of range
   */
  encode(rows: readonly Uint8Array[]): Uint8Array {
    const rate = this.#config.widthToRate(rows[0]?.length ?? 0);
    const { data, coded } = this.encodePayload(rows);
    const packet = new Uint8Array(1 + data.length);
    packet[0] = new Toc(rate.index, rows.length, coded).toByte();
    packet.set(data, 1);
    return packet;
  }

  /**
   * The rows that {@link encode} made `packet` of.
   *
   * @throws FormatError: bytes that it never makes, or coded ones where there are no tables
   */
  decode(packet: Uint8Array): Uint8Array[] {
    const { rate, frames, coded } = Toc.fromPacket(packet);
    return this.decodePayload({ data: packet.subarray(1), coded }, rate, frames);
  }

  /**
   * Rows of one rate as bytes: coded where that is shorter, else packed.
   *
   * @throws InputError: no such rate, too many frames, or a number out of range
   */
  encodePayload(rows: readonly Uint8Array[]): Payload {
    const coded = this.coder?.encode(rows) ?? null;
    if (coded) return { data: coded, coded: true };
    const rate = this.#config.widthToRate(rows[0]?.length ?? 0);
    return { data: pack(rows, rate), coded: false };
  }

  /**
   * Inverse of {@link encodePayload} for `frames` frames of rate number `rate`.
   *
   * @throws FormatError: bytes that it never makes, or coded ones where there are no tables
   */
  decodePayload({ data, coded }: Payload, rate: number, frames: number): Uint8Array[] {
    try {
      if (!coded) return unpack(data, this.#config.indexToRate(rate), frames);
      if (!this.coder)
        throw new FormatError(
          "the indices are entropy coded and their tables are not here: use a model folder that " +
            "has them, or send packed indices",
        );
      return this.coder.decode(data, rate, frames);
    } catch (error) {
      if (error instanceof InputError)
        throw new FormatError(`the indices make no sense: ${error.message}`);
      throw error;
    }
  }
}
