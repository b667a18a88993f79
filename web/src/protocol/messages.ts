/**
 * The control messages of a running call, and the bytes of every message but audio.
 *
 * A message is one kind byte and a body, little-endian. Bodies of fixed fields may be longer than
 * this version knows: the rest is ignored, so that fields can be added.
 */

import { InputError, WireError } from "../errors";
import { Reader, Writer, printable, scaled } from "./fields";
import {
  type Auth,
  type Bye,
  type Hello,
  type Reject,
  putEnding,
  putHello,
  takeAuth,
  takeEnding,
  takeHello,
} from "./hello";
import { Kind } from "./kinds";

export const MAX_TEXT_BYTES = 1000;
const HELD_STEPS_PER_S = 4000;

/** Asks for a {@link Pong}; `timeUs` is the sender's clock, any origin, unsigned 64 bit. */
export interface Ping {
  readonly kind: typeof Kind.PING;
  readonly timeUs: bigint;
}

/** Answers a {@link Ping}: its `timeUs`, and how long it was held before the answer. */
export interface Pong {
  readonly kind: typeof Kind.PONG;
  readonly timeUs: bigint;
  readonly heldUs: number;
}

/** What the receiver hears; values beyond their field are sent as the field's limit. */
export interface ReceiverReport {
  readonly kind: typeof Kind.REPORT;
  /** Highest sequence number received. */
  readonly sequence: number;
  /** Frames received since the call began, modulo 2**32. */
  readonly received: number;
  /** Frames missing when they were to be played, since the call began, modulo 2**32. */
  readonly lost: number;
  /** Share of frames lost since the last report, 0 to 1, steps of 0.0001. */
  readonly loss: number;
  /** Arrival jitter, 0 to 6553.5 ms, steps of 0.1. */
  readonly jitterMs: number;
  /** Delay of the playout buffer, 0 to 6553.5 ms, steps of 0.1. */
  readonly delayMs: number;
  /** The sender's sound clock against the receiver's, -3276.7 to 3276.7 ppm. */
  readonly driftPpm: number;
}

/** The sender's microphone is muted, or not any more. */
export interface Mute {
  readonly kind: typeof Kind.MUTE;
  readonly muted: boolean;
}

/** A note of one line, up to 1000 bytes of UTF-8; unprintable characters are replaced. */
export interface Text {
  readonly kind: typeof Kind.TEXT;
  readonly text: string;
}

/** Names the newest audio message that came, by which the sender measures the link. */
export interface Echo {
  readonly kind: typeof Kind.ECHO;
  /** Of its first frame; the low 16 bits travel. */
  readonly sequence: number;
  /** How long ago it came, 0 to 16.4 seconds, steps of 0.25 ms. */
  readonly heldS: number;
}

/** A message of a kind that this version does not know; to be ignored. */
export interface Unknown {
  readonly kind: null;
  readonly code: number;
}

export type Message =
  | Hello
  | Auth
  | Reject
  | Bye
  | Ping
  | Pong
  | ReceiverReport
  | Mute
  | Text
  | Echo;

/** Bytes of a message: its kind, then its body. */
export function encode(message: Message): Uint8Array {
  const writer = new Writer().u8(message.kind);
  switch (message.kind) {
    case Kind.HELLO:
      putHello(writer, message);
      break;
    case Kind.AUTH:
      writer.bytes(message.mac);
      break;
    case Kind.REJECT:
    case Kind.BYE:
      putEnding(writer, message);
      break;
    case Kind.PING:
      writer.u64(message.timeUs);
      break;
    case Kind.PONG:
      writer.u64(message.timeUs).u32(message.heldUs);
      break;
    case Kind.REPORT:
      writer.u32(message.sequence).u32(message.received).u32(message.lost);
      writer.u16(scaled(message.loss, 10_000, 0, 10_000));
      writer.u16(scaled(message.jitterMs, 10, 0, 0xffff));
      writer.u16(scaled(message.delayMs, 10, 0, 0xffff));
      writer.u16(scaled(message.driftPpm, 10, -0x7fff, 0x7fff));
      break;
    case Kind.MUTE:
      writer.u8(message.muted ? 1 : 0);
      break;
    case Kind.TEXT:
      writer.text(printable(message.text, MAX_TEXT_BYTES));
      break;
    case Kind.ECHO:
      writer.u16(message.sequence).u16(scaled(message.heldS, HELD_STEPS_PER_S, 0, 0xffff));
      break;
  }
  return writer.done();
}

/**
 * Message of `data`, one whole message of the handshake or one that was opened.
 *
 * @throws WireError for anything malformed, HandshakeError for a hello of another version
 */
export function decode(data: Uint8Array): Message | Unknown {
  const reader = new Reader(data, "a message");
  try {
    return take(reader.u8(), reader);
  } catch (error) {
    if (error instanceof InputError)
      throw new WireError(`a message is malformed: ${error.message}`, { cause: error });
    throw error;
  }
}

function take(code: number, reader: Reader): Message | Unknown {
  switch (code) {
    case Kind.HELLO:
      return takeHello(reader);
    case Kind.AUTH:
      return takeAuth(reader);
    case Kind.REJECT:
      return { kind: Kind.REJECT, ...takeEnding(reader) };
    case Kind.BYE:
      return { kind: Kind.BYE, ...takeEnding(reader) };
    case Kind.PING:
      return { kind: Kind.PING, timeUs: reader.u64() };
    case Kind.PONG:
      return { kind: Kind.PONG, timeUs: reader.u64(), heldUs: reader.u32() };
    case Kind.REPORT:
      return {
        kind: Kind.REPORT,
        sequence: reader.u32(),
        received: reader.u32(),
        lost: reader.u32(),
        loss: Math.min(reader.u16(), 10_000) / 10_000,
        jitterMs: reader.u16() / 10,
        delayMs: reader.u16() / 10,
        driftPpm: reader.i16() / 10,
      };
    case Kind.MUTE:
      return { kind: Kind.MUTE, muted: reader.u8() !== 0 };
    case Kind.TEXT:
      return { kind: Kind.TEXT, text: printable(reader.text(MAX_TEXT_BYTES), MAX_TEXT_BYTES) };
    case Kind.ECHO:
      return { kind: Kind.ECHO, sequence: reader.u16(), heldS: reader.u16() / HELD_STEPS_PER_S };
    default:
      return { kind: null, code };
  }
}
