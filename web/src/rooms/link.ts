/**
 * The link to a room: where its relays are, and the secret that makes its keys.
 *
 *     https://relay.example/#k=Zm9yIGV2ZXJ5Ym9keSBoZQ&r=https://other.example
 *                            `- 128 bits, base64url    `- another relay, any number of times
 *
 * What follows the # is not sent over HTTP. Whoever has the link is in the room.
 */

import { randomBytes } from "@noble/hashes/utils.js";
import { InputError } from "../errors";

export const ROOM_SECRET_BYTES = 16;
const KEY = /^[\w-]{22}$/;
const MAX_RELAYS = 8;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** The address of a relay without path, query or fragment; InputError for what is none. */
function checkRelay(text: string): string {
  const url = urlOf(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username || url.port === "0")
    throw new InputError(`'${text}' is not the address of a relay, expected https://HOST[:PORT]`);
  if (url.protocol === "http:" && !LOOPBACK.test(url.hostname))
    throw new InputError(
      `'${text}' is not encrypted, expected https:// (http:// is for this machine alone): the ` +
        "relay could be impersonated",
    );
  return url.origin;
}

function urlOf(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** A room, and the relays that it may be held on. */
export class RoomLink {
  /** Addresses, `https://host[:port]`, at least one; the first is tried first. */
  readonly relays: readonly string[];
  readonly #secret: Uint8Array;

  /**
   * @param secret 16 random bytes
   * @throws InputError for other values
   */
  constructor(secret: Uint8Array, relays: readonly string[]) {
    if (secret.length !== ROOM_SECRET_BYTES)
      throw new InputError(
        `the secret of a room has ${secret.length} bytes, expected ${ROOM_SECRET_BYTES}`,
      );
    if (!(relays.length >= 1 && relays.length <= MAX_RELAYS))
      throw new InputError(`a room has ${relays.length} relays, expected 1 to ${MAX_RELAYS}`);
    this.#secret = secret;
    this.relays = relays.map(checkRelay);
  }

  /** A new room on some relays. */
  static create(...relays: readonly string[]): RoomLink {
    return new RoomLink(randomBytes(ROOM_SECRET_BYTES), relays);
  }

  /** The room of a link; throws InputError, without the secret in it, for anything else. */
  static parse(text: string): RoomLink {
    const [address = "", fragment = ""] = text.trim().split(/#(.*)/s);
    const fields = new URLSearchParams(fragment);
    const [key = "", ...more] = fields.getAll("k");
    if (!key || more.length)
      throw new InputError(
        "the link has no key, expected it to end in #k= and 22 characters: copy all of it",
      );
    if (!KEY.test(key))
      throw new InputError(
        `the link's key has ${key.length} characters, expected 22 letters, digits, - or _: copy ` +
          "all of it",
      );
    const binary = atob(key.replaceAll("-", "+").replaceAll("_", "/"));
    const secret = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return new RoomLink(secret, [address, ...fields.getAll("r").filter(Boolean)]);
  }

  /** Whether a text is meant to be a link: a web address with a fragment. */
  static isLink(text: string): boolean {
    return /^https?:\/\/[^#]*#/.test(text.trim());
  }

  /** 16 bytes that make the room's keys. */
  get secret(): Uint8Array {
    return this.#secret;
  }

  toString(): string {
    const key = btoa(String.fromCharCode(...this.#secret)).replace(/=+$/, "");
    const others = this.relays.slice(1).map((relay) => `&r=${encodeURI(relay)}`);
    return `${this.relays[0]}/#k=${key.replaceAll("+", "-").replaceAll("/", "_")}${others.join("")}`;
  }

  /** Where to connect, in the order to try. */
  websocketUrls(): string[] {
    return this.relays.map((relay) => `${relay.replace(/^http/, "ws")}/room`);
  }
}
