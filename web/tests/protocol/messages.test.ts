/** Messages as they come from outside mean what Python says, or are refused as there. */
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HandshakeError, InputError, WireError } from "../../src/errors";
import { audioToBytes, parseAudio } from "../../src/protocol/audio";
import { printable, scaled } from "../../src/protocol/fields";
import { decode, encode } from "../../src/protocol/messages";
import { INTRO_KIND, decodeIntro, encodeIntro } from "../../src/rooms/intro";
import { RoomLink } from "../../src/rooms/link";
import { decodeRelay } from "../../src/rooms/messages";
import { plain } from "../scripts";
import { readJson } from "../vectors";

interface Vector {
  readonly of: "control" | "relay" | "intro" | "audio" | "link";
  readonly data: string[];
  readonly means: unknown[];
}

const VECTORS = readJson<Vector[]>("tests/web/vectors/messages.json");

function known<T extends { readonly kind: number | null }>(message: T): T | "unknown" {
  return message.kind === null ? "unknown" : message;
}

const READERS: Record<Vector["of"], (data: string) => unknown> = {
  control: (data) => known(decode(hexToBytes(data))),
  relay: (data) => known(decodeRelay(hexToBytes(data))),
  intro: (data) => {
    const message = hexToBytes(data);
    return message[0] === INTRO_KIND ? decodeIntro(message) : "unknown";
  },
  audio: (data) => parseAudio(hexToBytes(data)),
  link: (text) => {
    const link = RoomLink.parse(text);
    return { secret: link.secret, urls: link.websocketUrls(), text: String(link) };
  },
};

function meaning(read: (data: string) => unknown, data: string): unknown {
  try {
    return plain(read(data));
  } catch (error) {
    if (error instanceof HandshakeError) return "another version";
    if (error instanceof WireError || error instanceof InputError) return "malformed";
    throw error;
  }
}

describe.each(VECTORS)("$of", ({ of, data, means }) => {
  test("means what it means to Python", () => {
    data.forEach((each, at) => expect(meaning(READERS[of], each), each).toEqual(means[at]));
  });
});

test("what was read is written as it was", () => {
  for (const { of, data, means } of VECTORS) {
    // What is sent is well formed; of the rest only the meaning counts.
    if (means.some((each) => typeof each === "string")) continue;
    for (const each of data) {
      if (of === "control") {
        const message = decode(hexToBytes(each));
        if (message.kind !== null) expect(bytesToHex(encode(message))).toBe(each);
      }
      if (of === "intro") expect(bytesToHex(encodeIntro(decodeIntro(hexToBytes(each))))).toBe(each);
      if (of === "audio" && !each.startsWith("1000"))
        expect(bytesToHex(audioToBytes(parseAudio(hexToBytes(each))))).toBe(each);
    }
  }
});

const bytes = fc.uint8Array({ maxLength: 300 });
const kinds = fc.constantFrom(1, 2, 3, 4, 17, 18, 19, 20, 21, 24, 32, 34, 35, 36, 37, 40, 48, 50, 64);
const messages = fc.oneof(
  bytes,
  fc.tuple(kinds, bytes).map(([kind, body]) => Uint8Array.of(kind, ...body)),
  // the start of a hello that is right
  bytes.map((body) => Uint8Array.of(1, 0x51, 0x32, 0x44, 0x32, 2, 1, 1, ...body)),
);

test.each([
  ["control", decode],
  ["relay", decodeRelay],
  ["intro", decodeIntro],
  ["audio", parseAudio],
] as const)("no bytes do more than be refused: %s", (_, read) => {
  fc.assert(
    fc.property(messages, (data) => {
      const before = data.slice();
      try {
        read(data);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
      expect(data).toEqual(before);
    }),
    { numRuns: 2000 },
  );
});

test("what is shown is one line within its bytes, and shown again the same", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 0, max: 40 }), (text, most) => {
      const shown = printable(text, most);
      expect(new TextEncoder().encode(shown).length).toBeLessThanOrEqual(most);
      expect(shown).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029\u202e]/u);
      expect(printable(shown, most)).toBe(shown);
    }),
  );
});

test("numbers keep to their fields", () => {
  expect(scaled(0.00025, 10_000, 0, 10_000)).toBe(2); // half-way goes to the even number
  expect(scaled(Number.NaN, 10, 0, 100)).toBe(100);
  expect(scaled(-1e300, 10, -5, 5)).toBe(5);
  expect(scaled(-3, 10, -5, 5)).toBe(-5);
});
