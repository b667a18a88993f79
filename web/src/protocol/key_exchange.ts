/** How two sides agree on 32 secret bytes: SPAKE2 with a shared secret, X25519 without. */

import { equalBytes } from "@noble/ciphers/utils.js";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes, randomBytes } from "@noble/hashes/utils.js";
import { HandshakeError } from "../errors";
import type { Secret } from "./auth";
import { bytesOfText } from "./fields";
import { Role } from "./kinds";

/** How keys are agreed on. */
export const Method = {
  /** Nobody is authenticated. */
  X25519: 0,
  /** Both sides hold the same secret. */
  SPAKE2: 1,
} as const;
export type Method = (typeof Method)[keyof typeof Method];

/** Length of either side's share. */
export function shareBytes(method: Method): number {
  return method === Method.SPAKE2 ? 33 : 32;
}

/** One side of one exchange; a new one is made for every connection. */
export interface KeyExchange {
  readonly method: Method;
  /** What the peer is sent. */
  readonly share: Uint8Array;

  /**
   * The 32 secret bytes; to be called once.
   *
   * @throws HandshakeError for a share that no honest peer sends
   */
  finish(peerShare: Uint8Array): Uint8Array;
}

const Point = ed25519.Point;
const ORDER = Point.Fn.ORDER;
// M and N of the package spake2: nobody knows their discrete logarithms. M blinds the client's
// share, N the server's.
const BLINDING = {
  [Role.CLIENT]: Point.fromHex("15cfd18e385952982b6a8f8c7854963b58e34388c8e6dae891db756481a02312"),
  [Role.SERVER]: Point.fromHex("f04f2e7eb734b2a8f8b472eaf9c3c632576ac64aea650b496a8a20ff00e583c3"),
};
const SIDE = { [Role.CLIENT]: "A".charCodeAt(0), [Role.SERVER]: "B".charCodeAt(0) };
const IDS = ["q2d2-stream client", "q2d2-stream server"] as const;
const ENTROPY_BYTES = 64;
const PASSWORD_SCALAR_BYTES = 48;
const INVALID = "the key share is not valid";

/**
 * SPAKE2 on Ed25519, as the package `spake2` of Python and magic-wormhole do it.
 *
 * Whoever takes part without the secret learns whether one guess at it was right, and nothing that
 * would let them try another offline.
 */
export class Spake2Exchange implements KeyExchange {
  readonly method = Method.SPAKE2;
  readonly share: Uint8Array;
  readonly #role: Role;
  readonly #password: Uint8Array;
  readonly #passwordScalar: bigint;
  readonly #scalar: bigint;
  readonly #ids: readonly [string, string];

  /**
   * @param secret what both sides hold
   * @param role this side's
   * @param entropy 64 bytes in place of random ones, for tests
   * @param ids what the two sides are called, which goes into the key
   */
  constructor(
    secret: Secret,
    role: Role,
    entropy: Uint8Array = randomBytes(ENTROPY_BYTES),
    ids: readonly [string, string] = IDS,
  ) {
    this.#ids = ids;
    const info = bytesOfText("SPAKE2 pw");
    this.#role = role;
    this.#password = secret.password;
    this.#passwordScalar =
      numberOf(hkdf(sha256, secret.password, undefined, info, PASSWORD_SCALAR_BYTES)) % ORDER;
    this.#scalar = numberOf(entropy) % ORDER;
    const blinding = BLINDING[role].multiply(this.#passwordScalar);
    const element = Point.BASE.multiply(this.#scalar).add(blinding);
    this.share = concatBytes(Uint8Array.of(SIDE[role]), element.toBytes());
  }

  finish(peerShare: Uint8Array): Uint8Array {
    checkLength(peerShare, this.method);
    const other = this.#role === Role.CLIENT ? Role.SERVER : Role.CLIENT;
    if (peerShare[0] !== SIDE[other])
      throw new HandshakeError(INVALID);
    const message = peerShare.subarray(1);
    let element: typeof Point.BASE;
    try {
      element = Point.fromBytes(message);
    } catch (error) {
      throw new HandshakeError(INVALID, { cause: error });
    }
    if (element.is0() || !element.isTorsionFree())
      throw new HandshakeError(INVALID);
    const blinding = BLINDING[other].multiply(this.#passwordScalar);
    const secret = element.subtract(blinding).multiply(this.#scalar).toBytes();
    const own = this.share.subarray(1);
    const [x, y] = this.#role === Role.CLIENT ? [own, message] : [message, own];
    const hashes = [this.#password, ...this.#ids.map(bytesOfText)].map((part) => sha256(part));
    return sha256(concatBytes(...hashes, x, y, secret));
  }
}

/** Ephemeral Diffie-Hellman (RFC 7748): keeps listeners out, and says not who the peer is. */
export class X25519Exchange implements KeyExchange {
  readonly method = Method.X25519;
  readonly share: Uint8Array;
  readonly #private: Uint8Array;

  /** `secretKey`: 32 bytes in place of random ones, for tests. */
  constructor(secretKey: Uint8Array = x25519.utils.randomSecretKey()) {
    this.#private = secretKey;
    this.share = x25519.getPublicKey(secretKey);
  }

  finish(peerShare: Uint8Array): Uint8Array {
    checkLength(peerShare, this.method);
    if (equalBytes(peerShare, this.share))
      throw new HandshakeError("the key share is this side's own");
    try {
      return x25519.getSharedSecret(this.#private, peerShare);
    } catch (error) {
      // a point of small order
      throw new HandshakeError(INVALID, { cause: error });
    }
  }
}

/** A new exchange: authenticated when there is a secret. */
export function keyExchange(secret: Secret | null, role: Role): KeyExchange {
  return secret === null ? new X25519Exchange() : new Spake2Exchange(secret, role);
}

function checkLength(share: Uint8Array, method: Method): void {
  if (share.length !== shareBytes(method))
    throw new HandshakeError(
      `the key share has ${share.length} bytes, expected ${shareBytes(method)}`,
    );
}

function numberOf(bigEndian: Uint8Array): bigint {
  return bigEndian.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}
