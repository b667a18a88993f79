/**
 * What a room's secret makes: its name, the key to its door, and keys for what is said in it.
 *
 *     secret -- HKDF "admission" --> Ed25519 key -- SHA-256 of its public half --> room id
 *            `- HKDF "media" ------> base --------- HKDF "member" | nonce -------> a member's keys
 *            `- HKDF "fingerprint" > eight digits that two people can compare
 *
 * The relay is shown the room id, the public half and a signature: it can tell who belongs into the
 * room, and learns nothing of the media keys. Every member draws a nonce for every connection, so no
 * two senders and no two connections share a key.
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, randomBytes } from "@noble/hashes/utils.js";
import { bytesOfText } from "../protocol/fields";
import type { DirectionKeys } from "../protocol/sealing";
import { BASE_KEY_BYTES } from "../protocol/sframe";

export const ROOM_ID_BYTES = 16;
export const NONCE_BYTES = 16;
const LABEL = "q2d2-stream room 1 ";

/** A member's number in messages: 32 bits of its nonce. */
export function memberId(nonce: Uint8Array): number {
  return new DataView(nonce.buffer, nonce.byteOffset, nonce.byteLength).getUint32(0);
}

/** A member's nonce for one connection. */
export function newNonce(): Uint8Array {
  return randomBytes(NONCE_BYTES);
}

/** The keys of one room. */
export class RoomKeys {
  /** What the relay knows the room by. */
  readonly roomId: Uint8Array;
  /** Of the admission key. */
  readonly publicKey: Uint8Array;
  /** Eight digits: equal for all who hold the same link, `"4711 0815"`. */
  readonly fingerprint: string;
  readonly #admission: Uint8Array;
  readonly #media: Uint8Array;

  /** `secret`: 16 bytes of a {@link RoomLink}. */
  constructor(secret: Uint8Array) {
    this.#admission = derive(secret, "admission", 32);
    this.#media = derive(secret, "media", 32);
    this.publicKey = ed25519.getPublicKey(this.#admission);
    const id = concatBytes(bytesOfText(`${LABEL}id`), this.publicKey);
    this.roomId = sha256(id).slice(0, ROOM_ID_BYTES);
    const digits = derive(secret, "fingerprint", 8);
    const number = new DataView(digits.buffer).getBigUint64(0) % 100_000_000n;
    const text = number.toString().padStart(8, "0");
    this.fingerprint = `${text.slice(0, 4)} ${text.slice(4)}`;
  }

  /** 64 bytes that let the member with `nonce` in, for this challenge of a relay only. */
  signAdmission(challenge: Uint8Array, nonce: Uint8Array): Uint8Array {
    const text = concatBytes(bytesOfText(`${LABEL}join`), challenge, this.roomId, nonce);
    return ed25519.sign(text, this.#admission);
  }

  /** The keys of what the member with `nonce` sends. */
  memberKeys(nonce: Uint8Array): DirectionKeys {
    const expand = (stream: string): Uint8Array =>
      derive(this.#media, `member ${stream} `, BASE_KEY_BYTES, nonce);
    return { audio: expand("audio"), control: expand("control") };
  }
}

/** HKDF-SHA256 with an empty salt; `name`, and bytes after it, tell the uses of a secret apart. */
export function derive(
  secret: Uint8Array,
  name: string,
  size: number,
  more: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return hkdf(sha256, secret, undefined, concatBytes(bytesOfText(LABEL + name), more), size);
}
