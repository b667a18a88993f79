/** SFrame's ciphers against the vectors of RFC 9605, appendix C.3, and what they must notice. */
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SealError } from "../../src/errors";
import { bytesOfText } from "../../src/protocol/fields";
import {
  AES_128_CTR_HMAC_SHA256_32,
  AES_128_CTR_HMAC_SHA256_64,
  AES_128_CTR_HMAC_SHA256_80,
  FrameCipher,
} from "../../src/protocol/sframe";

const BASE_KEY = Uint8Array.from({ length: 16 }, (_, n) => n);
const PLAINTEXT = bytesOfText("draft-ietf-sframe-enc");
const SUITES = [
  [
    AES_128_CTR_HMAC_SHA256_80,
    "449408b6f490086165b9d6f62b24ae1a59a56486b4ae8ed036b88912e24f11",
  ],
  [AES_128_CTR_HMAC_SHA256_64, "3f31438db4d09434e43afa0f8a2f00867a2be085046a9f5cb4f101d607"],
  [AES_128_CTR_HMAC_SHA256_32, "17fc8af28a5a695afcfc6c8df6358a17e26b2fcb3bae32e443"],
] as const;

test.each(SUITES)("the vector of suite %o", (suite, sealed) => {
  const cipher = new FrameCipher(BASE_KEY, suite, 0x123);
  const header = Uint8Array.of(...hexToBytes("9901234567"), ...bytesOfText("IETF SFrame WG"));
  expect(bytesToHex(cipher.seal(0x4567, header, PLAINTEXT))).toBe(sealed);
  expect(cipher.open(0x4567, header, hexToBytes(sealed))).toEqual(PLAINTEXT);
});

test("every changed bit, header and counter is noticed", () => {
  const cipher = new FrameCipher(BASE_KEY, AES_128_CTR_HMAC_SHA256_32);
  const header = bytesOfText("head");
  const sealed = cipher.seal(7, header, PLAINTEXT);
  for (let bit = 0; bit < 8 * sealed.length; bit += 1) {
    const changed = sealed.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => cipher.open(7, header, changed)).toThrow(SealError);
  }
  for (const counter of [6, 8, 7 + 2 ** 32, 7 + 2 ** 40])
    expect(() => cipher.open(counter, header, sealed)).toThrow(SealError);
  expect(() => cipher.open(7, header.subarray(1), sealed)).toThrow(SealError);
  for (let size = 0; size < sealed.length; size += 1)
    expect(() => cipher.open(7, header, sealed.subarray(0, size))).toThrow(SealError);
});

test("whatever is sealed opens", () => {
  const cipher = new FrameCipher(BASE_KEY, AES_128_CTR_HMAC_SHA256_64);
  const counters = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(counters, fc.uint8Array(), fc.uint8Array(), (counter, header, plaintext) => {
      const sealed = cipher.seal(counter, header, plaintext);
      expect(cipher.open(counter, header, sealed)).toEqual(plaintext);
    }),
  );
});
