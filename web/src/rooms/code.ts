/**
 * Short codes for reading aloud: `7-guitar-orbit@relay.example` leads to the link of a room.
 *
 * The number is the relay's, and says who shows the code. The two words are secret: 22 random bits.
 * They go through SPAKE2 and nowhere else.
 */
import { InputError } from "../errors";
import { RoomLink } from "./link";

const MAX_CODE_NUMBER = 999;
const CODE = /^(\d{1,3})[-_. ]+([a-z]+)[-_. ]+([a-z]+)@(\S+)$/i;

/** A code, and where it is shown. */
export class RoomCode {
  /** 1 to 999. */
  readonly number: number;
  /** Address, `https://host[:port]`. */
  readonly relay: string;
  readonly #words: string;

  private constructor(number: number, words: string, relay: string) {
    this.number = number;
    this.#words = words;
    this.relay = relay;
  }

  /** Whether a text is meant to be a code: a number, two words, @ and a relay. */
  static isCode(text: string): boolean {
    return CODE.test(text.trim());
  }

  /** The code of a text, however it was typed; throws InputError. */
  static parse(text: string): RoomCode {
    const [, digits = "", first = "", second = "", host = ""] = CODE.exec(text.trim()) ?? [];
    const number = Number(digits);
    if (!(number >= 1 && number <= MAX_CODE_NUMBER))
      throw new InputError(
        `'${text}' is not the code of a room, expected one such as 7-guitar-orbit@relay.example`,
      );
    const words = `${first}-${second}`.toLowerCase();
    return new RoomCode(number, words, relayOf(host));
  }

  /** What both sides of the key exchange know. */
  get password(): string {
    return `${this.number}-${this.#words}`;
  }

  /** Where to connect. */
  get websocketUrl(): string {
    return RoomLink.create(this.relay).websocketUrls()[0]!;
  }
}

/** The address that a host means: https, but on this machine. */
function relayOf(host: string): string {
  const first = (text: string): string => RoomLink.create(text).relays[0]!;
  if (host.includes("://")) return first(host);
  try {
    return first(`http://${host}`); // allowed for this machine alone
  } catch {
    return first(`https://${host}`);
  }
}
