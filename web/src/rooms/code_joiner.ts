/** The joiner's side of a code: from the words to the link, without sockets or clocks. */
import { gcm } from "@noble/ciphers/aes.js";
import { HandshakeError } from "../errors";
import { Secret } from "../protocol/auth";
import { Spake2Exchange } from "../protocol/key_exchange";
import { Role } from "../protocol/kinds";
import { textOfBytes } from "../protocol/fields";
import type { RoomCode } from "./code";
import { derive } from "./keys";
import { RoomLink } from "./link";
import { RoomKind, decodeRelay, encodeCodeAsk, encodeCodeConfirm } from "./messages";

const IDS = ["q2d2-stream room joiner", "q2d2-stream room member"] as const;
const CONFIRMATION_BYTES = 16;
const KEY_BYTES = 16;
// The key is of one guess and seals one link.
const NONCE = new Uint8Array(12);

/** The code is not right, or is shown no longer. */
export class WrongCodeError extends HandshakeError {}

/** One guess at a code, over one connection to its relay. */
export class CodeJoiner {
  readonly #code: RoomCode;
  readonly #exchange: Spake2Exchange;
  #shared: Uint8Array | null = null;
  #link: RoomLink | null = null;

  /**
   * @param code that was read out
   * @param entropy 64 bytes in place of random ones, for tests
   */
  constructor(code: RoomCode, entropy?: Uint8Array) {
    this.#code = code;
    this.#exchange = new Spake2Exchange(new Secret(code.password), Role.CLIENT, entropy, IDS);
  }

  /** To the room, once it is there. */
  get link(): RoomLink | null {
    return this.#link;
  }

  /**
   * A message of the relay; what to send, or null.
   *
   * @throws WrongCodeError where the code leads nowhere, another WireError where the relay does not
   *     keep to the protocol
   */
  receiveData(data: Uint8Array): Uint8Array | null {
    const message = decodeRelay(data);
    switch (message.kind) {
      case RoomKind.CHALLENGE:
        return encodeCodeAsk(this.#code.number, this.#exchange.share);
      case RoomKind.REFUSED:
        throw new WrongCodeError(message.text);
      case RoomKind.CODE_ANSWER:
        if (this.#shared !== null) return null;
        this.#shared = this.#exchange.finish(message.data);
        return encodeCodeConfirm(derive(this.#shared, "code confirmation", CONFIRMATION_BYTES));
      case RoomKind.CODE_GRANT:
        this.#link = this.#open(message.data);
        return null;
      default:
        return null;
    }
  }

  #open(sealed: Uint8Array): RoomLink {
    if (this.#shared === null || !sealed.length)
      throw new WrongCodeError(
        "the code is not right, or is shown no longer: have it read to you again, or let a new " +
          "one be made",
      );
    try {
      const key = derive(this.#shared, "code grant", KEY_BYTES);
      const link = gcm(key, NONCE).decrypt(sealed);
      return RoomLink.parse(textOfBytes(link, "a link"));
    } catch (error) {
      const text = "the link does not open: it is not of who showed the code";
      throw new WrongCodeError(text, { cause: error });
    }
  }
}
