/**
 * From the key exchange to the keys of one connection: HKDF over the whole handshake.
 *
 *     transcript = SHA-256(label | client's HELLO | server's HELLO | TLS channel), with lengths
 *     root       = HKDF-Extract(salt = transcript, shared secret | the call's resumption secret)
 *     key(name)  = HKDF-Expand(root, "q2d2-stream 2 " name)
 *
 * Whatever the two sides did not see alike, a version, a model, a capability, a nonce, gives other
 * keys, and the first message that confirms them fails.
 */

import { equalBytes } from "@noble/ciphers/utils.js";
import { expand } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes } from "@noble/hashes/utils.js";
import { bytesOfText } from "./fields";
import { type Role, roleName } from "./kinds";
import type { DirectionKeys } from "./sealing";
import { BASE_KEY_BYTES } from "./sframe";

export const CONFIRMATION_BYTES = 16;
const RESUMPTION_BYTES = 32;
const LABEL = "q2d2-stream 2 ";
const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * SHA-256 over what both sides saw.
 *
 * @param clientHello the message as it was on the wire, as `serverHello`
 * @param channel what names the TLS connection below; empty in a browser, which cannot tell
 */
export function transcriptHash(
  clientHello: Uint8Array,
  serverHello: Uint8Array,
  channel: Uint8Array = NOTHING,
): Uint8Array {
  const transcript = sha256.create().update(bytesOfText(`${LABEL}transcript`));
  for (const part of [clientHello, serverHello, channel]) {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, part.length);
    transcript.update(length).update(part);
  }
  return transcript.digest();
}

/** The keys of one connection. */
export class KeySchedule {
  readonly #root: Uint8Array;

  /**
   * @param shared 32 bytes that the key exchange gave
   * @param transcript as {@link transcriptHash} gives it
   * @param resumption the secret of the call that goes on, empty for a new one
   */
  constructor(shared: Uint8Array, transcript: Uint8Array, resumption: Uint8Array = NOTHING) {
    // HKDF-Extract is one HMAC, keyed by the salt (RFC 5869, 2.2)
    this.#root = hmac(sha256, transcript, concatBytes(shared, resumption));
  }

  /** 16 bytes by which `role` shows that it has the same keys. */
  confirmation(role: Role): Uint8Array {
    return this.#expand(`${roleName(role)} confirmation`, CONFIRMATION_BYTES);
  }

  /** Whether `mac` is what `role` must send; takes the same time either way. */
  confirms(mac: Uint8Array, role: Role): boolean {
    return equalBytes(mac, this.confirmation(role));
  }

  /** Base keys of what `sender` sends. */
  direction(sender: Role): DirectionKeys {
    const name = roleName(sender);
    return {
      audio: this.#expand(`${name} audio`, BASE_KEY_BYTES),
      control: this.#expand(`${name} control`, BASE_KEY_BYTES),
    };
  }

  /** 32 bytes that a call keeps, so that only its two sides can carry it on. */
  resumption(): Uint8Array {
    return this.#expand("resumption", RESUMPTION_BYTES);
  }

  #expand(name: string, size: number): Uint8Array {
    return expand(sha256, this.#root, bytesOfText(LABEL + name), size);
  }
}
