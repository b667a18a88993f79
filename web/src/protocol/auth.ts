/** The secret that two sides share. */

import { InputError } from "../errors";
import { tidyCodePhrase } from "./code_phrase";
import { bytesOfText } from "./fields";

export const MIN_SECRET_BYTES = 8;

/**
 * A shared secret; it never shows in logs or on the wire.
 *
 * It may be short enough to be read over the phone: who does not know it can try one guess per
 * connection, and none offline ({@link Spake2Exchange}).
 */
export class Secret {
  readonly #password: Uint8Array;

  /**
   * @param text at least 8 bytes of UTF-8; it is brought to normalization form C, as keyboards do
   *     not agree on an accent. A code is the same secret however it is typed.
   * @throws InputError when it is shorter
   */
  constructor(text: string) {
    this.#password = bytesOfText(tidyCodePhrase(text).normalize("NFC"));
    if (this.#password.length < MIN_SECRET_BYTES)
      throw new InputError(
        `the secret has ${this.#password.length} bytes, expected at least ${MIN_SECRET_BYTES}: ` +
          "a code such as 7-guitar-orbit-velvet is enough",
      );
  }

  /** Bytes for the key exchange. */
  get password(): Uint8Array {
    return this.#password;
  }
}
