/**
 * The body of an audio message: flags, what they announce, packet.
 *
 *     | flags u8 | timestamp u32 | length u8, rider | length u8, copies | packet: TOC and payload |
 *                  `- flag TIMESTAMP  `- flag RIDER    `- flag COPIES
 *
 * A rider is a control message that needs no more than a short tag: an echo, a report, ping or pong.
 * Copies are a packet too: the frames just before this message, at the lowest rate. They stand in
 * where that was lost; this side reads them, and never sends any, as nothing is lost in a websocket.
 *
 * The sequence number of the first frame is the counter of the seal. Timestamps run along with
 * sequence numbers, but for silence that was left unsent: a message that tells none has the
 * difference of the last one before it that did.
 */

import { FormatError, WireError } from "../errors";
import type { AudioFrames, Indices } from "../frames";
import { PacketCoder, Toc } from "../packet";
import type { Direction } from "./endpoint";
import { Reader, Writer } from "./fields";
import { add, distance } from "./sequence";

// How often a difference is told again: after a change, and later, in case all of those were lost.
const TOLD_AFTER_CHANGE = 8;
const TOLD_EVERY = 32;
const KEPT = 8;

/** First byte of an audio body. Bits that are not named are 0. */
export const Flag = {
  /** The first frame begins a talk spurt. */
  START: 1,
  /** The last frame ends one. */
  END: 2,
  /** A keep-alive inside silence; its sound is the background noise. */
  DTX: 4,
  /** The timestamp follows. */
  TIMESTAMP: 8,
  /** A control message follows. */
  RIDER: 16,
  /** Copies of the frames before follow. */
  COPIES: 32,
} as const;
const KNOWN_FLAGS = 63;

/** An audio body taken apart. */
export interface AudioBody {
  readonly flags: number;
  /** Number of the first frame among those captured; null where it is implied. */
  readonly timestamp: number | null;
  /** A control message; empty without one. */
  readonly rider: Uint8Array;
  /** A packet of the frames before; empty without one. */
  readonly copies: Uint8Array;
  /** What the packet says of itself. */
  readonly toc: Toc;
  readonly packet: Uint8Array;
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** Take a body apart; WireError when it is malformed. */
export function parseAudio(data: Uint8Array): AudioBody {
  const reader = new Reader(data, "an audio message");
  const flags = reader.u8();
  if (flags & ~KNOWN_FLAGS)
    throw new WireError(`an audio message has flags ${flags}, expected ones that are known`);
  const timestamp = flags & Flag.TIMESTAMP ? reader.u32() : null;
  const rider = flags & Flag.RIDER ? reader.bytes(reader.u8()) : NOTHING;
  const copies = flags & Flag.COPIES ? reader.bytes(reader.u8()) : NOTHING;
  const packet = reader.rest();
  const toc = readable("an audio message has no valid packet", () => Toc.fromPacket(packet));
  return { flags, timestamp, rider, copies, toc, packet };
}

/** Inverse of {@link parseAudio}. */
export function audioToBytes(body: Omit<AudioBody, "toc">): Uint8Array {
  const writer = new Writer().u8(body.flags);
  if (body.timestamp !== null) writer.u32(body.timestamp);
  for (const part of [body.rider, body.copies])
    if (part.length) writer.u8(part.length).bytes(part);
  return writer.bytes(body.packet).done();
}

function readable<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError)
      throw new WireError(`${what}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Makes the audio bodies of one connection. */
export class AudioWriter {
  readonly #packets: PacketCoder;
  #difference: number | null = null;
  #sinceChange = 0;

  /** `direction`: what was agreed on for sending. */
  constructor(direction: Direction) {
    this.#packets = new PacketCoder(direction.model.config, direction.coder);
  }

  /**
   * The body that carries `frames`.
   *
   * @param frames what follows on what was written before
   * @param rider a control message that goes with it, up to 255 bytes
   * @throws InputError when the frames do not fit the model
   */
  write(frames: AudioFrames, rider = NOTHING): AudioBody {
    const packet = this.#packets.encode(frames.indices);
    const difference = add(frames.timestamp, -frames.sequence);
    if (difference !== this.#difference) {
      this.#difference = difference;
      this.#sinceChange = 0;
    }
    const isTold = this.#sinceChange < TOLD_AFTER_CHANGE || this.#sinceChange % TOLD_EVERY === 0;
    this.#sinceChange += 1;
    const flags =
      (frames.start ? Flag.START : 0) |
      (frames.end ? Flag.END : 0) |
      (frames.dtx ? Flag.DTX : 0) |
      (isTold ? Flag.TIMESTAMP : 0) |
      (rider.length ? Flag.RIDER : 0);
    const timestamp = isTold ? frames.timestamp : null;
    return { flags, timestamp, rider, copies: NOTHING, toc: Toc.fromPacket(packet), packet };
  }
}

/** Reads the audio bodies of one connection, which may come in any order. */
export class AudioReader {
  readonly #packets: PacketCoder;
  readonly #rates: readonly number[];
  readonly #origin: number;
  /** What was told, by the sequence number's distance from the hello's, ascending. */
  #told: { readonly at: number; readonly difference: number }[] = [];

  /**
   * @param direction what was agreed on for receiving
   * @param sequence of the peer's hello
   */
  constructor(direction: Direction, sequence: number) {
    this.#packets = new PacketCoder(direction.model.config, direction.coder);
    this.#rates = direction.rates;
    this.#origin = sequence;
  }

  /**
   * The frames of `body`, the first of which is number `sequence`.
   *
   * @throws WireError when they do not fit the model, or their time is not known
   */
  read(sequence: number, body: AudioBody): AudioFrames {
    if (!this.#rates.includes(body.toc.rate))
      throw new WireError(
        `audio has rate ${body.toc.rate}, expected one of ${this.#rates.join(", ")}`,
      );
    return {
      sequence,
      indices: this.#decode(body.packet),
      timestamp: this.#timestamp(sequence, body.timestamp),
      start: (body.flags & Flag.START) !== 0,
      end: (body.flags & Flag.END) !== 0,
      dtx: (body.flags & Flag.DTX) !== 0,
      isCopy: false,
    };
  }

  /**
   * The frames before `frames`, as far as `body` repeats them.
   *
   * @throws WireError when they do not fit the model
   */
  readCopies(frames: AudioFrames, body: AudioBody): AudioFrames | null {
    if (!body.copies.length) return null;
    const indices = this.#decode(body.copies);
    return {
      sequence: add(frames.sequence, -indices.length),
      timestamp: add(frames.timestamp, -indices.length),
      indices,
      start: false,
      end: false,
      dtx: false,
      isCopy: true,
    };
  }

  #decode(packet: Uint8Array): Indices {
    return readable("an audio message does not fit the codec", () =>
      this.#packets.decode(packet),
    );
  }

  #timestamp(sequence: number, told: number | null): number {
    const at = distance(this.#origin, sequence);
    const after = this.#told.findIndex((each) => each.at > at);
    const index = after < 0 ? this.#told.length : after;
    const before = this.#told[index - 1];
    if (told === null) {
      if (before === undefined)
        throw new WireError("the message that told the time of this one is missing");
      return add(sequence, before.difference);
    }
    const difference = add(told, -sequence);
    if (before?.difference !== difference) {
      this.#told.splice(index, 0, { at, difference });
      this.#told = this.#told.slice(-KEPT);
    }
    return told;
  }
}
