/**
 * SFrame's ciphers: AES in counter mode with a short HMAC tag (RFC 9605, sections 4.4 and 4.5).
 *
 * The primitives are of noble-ciphers and noble-hashes rather than WebCrypto: a message is sealed
 * in 5 us, against 60 us, and at once, so that everything above stays free of promises.
 */

import { ctr } from "@noble/ciphers/aes.js";
import { equalBytes } from "@noble/ciphers/utils.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes } from "@noble/hashes/utils.js";
import { SealError } from "../errors";
import { bytesOfText } from "./fields";

export const BASE_KEY_BYTES = 16;
const ENCRYPTION_KEY_BYTES = 16;
const AUTHENTICATION_KEY_BYTES = 32;
const NONCE_BYTES = 12;

/** Number in IANA's registry of SFrame cipher suites, and bytes of tag. */
export interface CipherSuite {
  readonly number: number;
  readonly tagBytes: number;
}

export const AES_128_CTR_HMAC_SHA256_80: CipherSuite = { number: 1, tagBytes: 10 };
export const AES_128_CTR_HMAC_SHA256_64: CipherSuite = { number: 2, tagBytes: 8 };
export const AES_128_CTR_HMAC_SHA256_32: CipherSuite = { number: 3, tagBytes: 4 };

/**
 * Encrypts and authenticates frames of one sender with one key.
 *
 * A counter (below 2**53) must never be used for two different frames: the owner sees to it.
 */
export class FrameCipher {
  readonly tagBytes: number;
  readonly #key: Uint8Array;
  readonly #salt: Uint8Array;
  readonly #mac: ReturnType<typeof hmac.create>;

  /**
   * @param baseKey 16 bytes, uniformly random
   * @param suite the cipher
   * @param keyId SFrame's KID, which separates keys made of one base key
   */
  constructor(baseKey: Uint8Array, suite: CipherSuite, keyId = 0) {
    const context = new Uint8Array(10);
    const view = new DataView(context.buffer);
    view.setBigUint64(0, BigInt(keyId));
    view.setUint16(8, suite.number);
    const derive = (label: string, size: number) =>
      hkdf(sha256, baseKey, undefined, concatBytes(bytesOfText(label), context), size);
    const key = derive("SFrame 1.0 Secret key ", ENCRYPTION_KEY_BYTES + AUTHENTICATION_KEY_BYTES);
    this.tagBytes = suite.tagBytes;
    this.#key = key.slice(0, ENCRYPTION_KEY_BYTES);
    this.#salt = derive("SFrame 1.0 Secret salt ", NONCE_BYTES);
    // Keyed once, and copied for every message: half of an HMAC is its key.
    this.#mac = hmac.create(sha256, key.subarray(ENCRYPTION_KEY_BYTES));
  }

  /** Ciphertext of the same length, and the tag, which also covers header and counter. */
  seal(counter: number, header: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const nonce = this.#nonce(counter);
    const ciphertext = this.#crypt(nonce, plaintext);
    return concatBytes(ciphertext, this.#tag(nonce, header, ciphertext));
  }

  /** Inverse of {@link seal}; SealError when anything was changed. */
  open(counter: number, header: Uint8Array, sealed: Uint8Array): Uint8Array {
    const end = sealed.length - this.tagBytes;
    if (end < 0)
      throw new SealError(
        `a sealed message has ${sealed.length} bytes after its header, expected at least ` +
          `${this.tagBytes}`,
      );
    const nonce = this.#nonce(counter);
    const ciphertext = sealed.subarray(0, end);
    if (!equalBytes(this.#tag(nonce, header, ciphertext), sealed.subarray(end)))
      throw new SealError("a message was changed on its way, or is not of this connection");
    return this.#crypt(nonce, ciphertext);
  }

  #nonce(counter: number): Uint8Array {
    const nonce = this.#salt.slice();
    const view = new DataView(nonce.buffer);
    view.setUint32(4, view.getUint32(4) ^ Math.floor(counter / 2 ** 32));
    view.setUint32(8, view.getUint32(8) ^ counter % 2 ** 32);
    return nonce;
  }

  #crypt(nonce: Uint8Array, data: Uint8Array): Uint8Array {
    return ctr(this.#key, concatBytes(nonce, new Uint8Array(4))).encrypt(data);
  }

  #tag(nonce: Uint8Array, header: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const lengths = new Uint8Array(24);
    const view = new DataView(lengths.buffer);
    [header.length, ciphertext.length, this.tagBytes].forEach((length, at) =>
      view.setUint32(8 * at + 4, length),
    );
    const mac = this.#mac.clone().update(lengths).update(nonce).update(header).update(ciphertext);
    return mac.digest().subarray(0, this.tagBytes);
  }
}
