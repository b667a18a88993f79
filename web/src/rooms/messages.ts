/**
 * What a member and a relay say to each other, in the clear.
 *
 *     member                          relay
 *       | <----------------- challenge -- |
 *       | -- join ----------------------> |  signature right, room not full?
 *       | <------------------- welcome -- |  who is there
 *       | <------------ joined / left --- |  who comes and goes
 *       | -- audio, control ------------> |  sealed; forwarded with the sender's number in front
 *       | <------------- audio, control - |
 *
 * Little-endian, one kind byte first. Unknown kinds are ignored and counted.
 */

import { HandshakeError, WireError } from "../errors";
import { Reader, Writer, bytesOfText, printable } from "../protocol/fields";
import { NONCE_BYTES } from "./keys";

export const ROOM_VERSION = 1;
export const CHALLENGE_BYTES = 32;
export const MAX_MEMBERS = 64;
const MAGIC = bytesOfText("Q2RM");
const MAX_TEXT_BYTES = 300;
const CODE_SHARE_BYTES = 33;
const MAX_SEALED_LINK_BYTES = 1024;

/** First byte of a message. */
export const RoomKind = {
  CHALLENGE: 32,
  JOIN: 33,
  WELCOME: 34,
  REFUSED: 35,
  JOINED: 36,
  LEFT: 37,
  MOVED: 38,
  PING: 40,
  PONG: 41,
  CODE_ASK: 45,
  CODE_ANSWER: 47,
  /** Of somebody who is not talking. */
  AUDIO: 48,
  /** Of somebody who is. */
  VOICE: 49,
  CONTROL: 50,
  CODE_CONFIRM: 51,
  CODE_GRANT: 52,
} as const;
export type RoomKind = (typeof RoomKind)[keyof typeof RoomKind];

/** Why a relay lets nobody in, or somebody out. */
export const RoomReason = {
  OTHER: 0,
  VERSION: 1,
  PROOF: 2,
  FULL: 3,
  LIMIT: 4,
  /** The nonce's number is taken: draw another and come again. */
  AGAIN: 5,
  PROTOCOL: 6,
  /** Nobody shows a code of that number. */
  CODE: 7,
} as const;
export type RoomReason = (typeof RoomReason)[keyof typeof RoomReason];

const REASONS: ReadonlySet<number> = new Set(Object.values(RoomReason));

/** What a relay says. */
export type RelayMessage =
  /** Its first word: 32 random bytes to sign. */
  | { readonly kind: typeof RoomKind.CHALLENGE; readonly challenge: Uint8Array }
  /** This side is in; the nonces of all who are, its own too. */
  | { readonly kind: typeof RoomKind.WELCOME; readonly nonces: readonly Uint8Array[] }
  /** Its last word. */
  | { readonly kind: typeof RoomKind.REFUSED; readonly reason: RoomReason; readonly text: string }
  | { readonly kind: typeof RoomKind.JOINED; readonly nonce: Uint8Array }
  | { readonly kind: typeof RoomKind.LEFT; readonly member: number }
  /** It is about to stop: connect again, best to another one. */
  | { readonly kind: typeof RoomKind.MOVED }
  | { readonly kind: typeof RoomKind.PONG; readonly timeUs: bigint }
  /** The share of the member who shows a code. */
  | { readonly kind: typeof RoomKind.CODE_ANSWER; readonly guess: number; readonly data: Uint8Array }
  /** The link, sealed; nothing where the code was wrong, or is shown no longer. */
  | { readonly kind: typeof RoomKind.CODE_GRANT; readonly guess: number; readonly data: Uint8Array }
  /** Sealed audio of a member, by its number. */
  | {
      readonly kind: typeof RoomKind.AUDIO | typeof RoomKind.VOICE;
      readonly member: number;
      readonly sealed: Uint8Array;
    }
  /** A sealed control message of a member, and its counter. */
  | {
      readonly kind: typeof RoomKind.CONTROL;
      readonly member: number;
      readonly counter: number;
      readonly sealed: Uint8Array;
    }
  /** Of a later version, or none that a member is sent. */
  | { readonly kind: null; readonly code: number };

/**
 * What a relay's message means.
 *
 * @throws WireError for a malformed one, HandshakeError for one of another version
 */
export function decodeRelay(data: Uint8Array): RelayMessage {
  const reader = new Reader(data, "a message of the relay");
  const code = reader.u8();
  switch (code) {
    case RoomKind.CHALLENGE:
      checkStart(reader);
      return { kind: code, challenge: reader.bytes(CHALLENGE_BYTES) };
    case RoomKind.WELCOME:
      return { kind: code, nonces: noncesOf(reader.rest()) };
    case RoomKind.REFUSED: {
      const reason = reader.u8();
      const text = printable(reader.text(MAX_TEXT_BYTES), MAX_TEXT_BYTES);
      const known = REASONS.has(reason) ? (reason as RoomReason) : RoomReason.OTHER;
      return { kind: code, reason: known, text };
    }
    case RoomKind.JOINED:
      return { kind: code, nonce: reader.bytes(NONCE_BYTES) };
    case RoomKind.LEFT:
      return { kind: code, member: reader.u32() };
    case RoomKind.MOVED:
      return { kind: code };
    case RoomKind.PONG:
      return { kind: code, timeUs: reader.u64() };
    case RoomKind.CODE_ANSWER:
      return { kind: code, guess: reader.u32(), data: reader.bytes(CODE_SHARE_BYTES) };
    case RoomKind.CODE_GRANT: {
      const guess = reader.u32();
      const sealed = reader.rest();
      if (sealed.length > MAX_SEALED_LINK_BYTES)
        throw new WireError(
          `a sealed link has ${sealed.length} bytes, expected at most ${MAX_SEALED_LINK_BYTES}`,
        );
      return { kind: code, guess, data: sealed };
    }
    case RoomKind.AUDIO:
    case RoomKind.VOICE:
      return { kind: code, member: reader.u32(), sealed: reader.rest() };
    case RoomKind.CONTROL:
      return { kind: code, member: reader.u32(), counter: reader.u32(), sealed: reader.rest() };
    default:
      return { kind: null, code };
  }
}

/**
 * A member asks to be let in.
 *
 * @param roomId 16 bytes
 * @param publicKey of the room's admission key, as `signature`
 * @param nonce the member's, new for every connection
 */
export function encodeJoin(
  roomId: Uint8Array,
  publicKey: Uint8Array,
  signature: Uint8Array,
  nonce: Uint8Array,
): Uint8Array {
  const start = new Writer().u8(RoomKind.JOIN).bytes(MAGIC).u8(ROOM_VERSION);
  return start.bytes(roomId).bytes(publicKey).bytes(signature).bytes(nonce).done();
}

/** Somebody guesses at the code of that number, in place of asking to be let in. */
export function encodeCodeAsk(number: number, share: Uint8Array): Uint8Array {
  const start = new Writer().u8(RoomKind.CODE_ASK).bytes(MAGIC).u8(ROOM_VERSION);
  return start.u16(number).bytes(share).done();
}

/** Who guesses shows that it has the same key; the relay knows which guess that is. */
export function encodeCodeConfirm(confirmation: Uint8Array): Uint8Array {
  return new Writer().u8(RoomKind.CODE_CONFIRM).u32(0).bytes(confirmation).done();
}

/** Asks for a pong with the same time. */
export function encodePing(timeUs: bigint): Uint8Array {
  return new Writer().u8(RoomKind.PING).u64(timeUs).done();
}

/** Sealed audio for everybody; `voiced`: the sender talks. */
export function encodeAudio(sealed: Uint8Array, voiced: boolean): Uint8Array {
  return new Writer().u8(voiced ? RoomKind.VOICE : RoomKind.AUDIO).bytes(sealed).done();
}

/** A sealed control message for everybody, its counter first: who came late has not seen others. */
export function encodeControl(counter: number, sealed: Uint8Array): Uint8Array {
  return new Writer().u8(RoomKind.CONTROL).u32(counter).bytes(sealed).done();
}

function checkStart(reader: Reader): void {
  if (reader.bytes(MAGIC.length).some((byte, at) => byte !== MAGIC[at]))
    throw new WireError("the message does not begin as one of a relay: is this one?");
  const version = reader.u8();
  if (version !== ROOM_VERSION)
    throw new HandshakeError(
      `the other side speaks version ${version} of the relay protocol, this one ` +
        `${ROOM_VERSION}: install the same version of q2d2-stream on both`,
    );
}

function noncesOf(data: Uint8Array): Uint8Array[] {
  if (data.length % NONCE_BYTES || data.length > MAX_MEMBERS * NONCE_BYTES)
    throw new WireError(
      `a list of members has ${data.length} bytes, expected a multiple of ${NONCE_BYTES}, ` +
        `${MAX_MEMBERS} members at most`,
    );
  const count = data.length / NONCE_BYTES;
  return Array.from({ length: count }, (_, at) =>
    data.slice(at * NONCE_BYTES, (at + 1) * NONCE_BYTES),
  );
}
