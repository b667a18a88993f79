/** docs/vectors/protocol.json: every step of a handshake, and what is sealed after it. */
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { describe, expect, test } from "vitest";
import { HandshakeError, InputError, SealError } from "../../src/errors";
import { Secret } from "../../src/protocol/auth";
import {
  type KeyExchange,
  Spake2Exchange,
  X25519Exchange,
} from "../../src/protocol/key_exchange";
import { KeySchedule, transcriptHash } from "../../src/protocol/key_schedule";
import { Role, otherRole } from "../../src/protocol/kinds";
import { Opener, Sealer, Stream } from "../../src/protocol/sealing";
import { readJson } from "../vectors";

interface Handshake {
  readonly client_entropy: string;
  readonly server_entropy: string;
  readonly client_private: string;
  readonly server_private: string;
  readonly client_share: string;
  readonly server_share: string;
  readonly shared: string;
  readonly channel: string;
  readonly resumption_secret: string;
  readonly client_hello: string;
  readonly server_hello: string;
  readonly transcript: string;
  readonly client_auth: string;
  readonly server_auth: string;
  readonly keys: Record<string, string>;
  readonly sent_by_client: readonly {
    readonly stream: "audio" | "control";
    readonly counter: number;
    readonly body: string;
    readonly message: string;
  }[];
}

const VECTORS = readJson<Record<string, Handshake> & { secret: string; password: string }>(
  "docs/vectors/protocol.json",
);
const NAMES = ["spake2", "spake2, resumed over TLS", "x25519"];
const SECRET = new Secret(VECTORS.secret);

function scheduleOf(handshake: Handshake): KeySchedule {
  const transcript = transcriptHash(
    hexToBytes(handshake.client_hello),
    hexToBytes(handshake.server_hello),
    hexToBytes(handshake.channel),
  );
  expect(bytesToHex(transcript)).toBe(handshake.transcript);
  const resumption = hexToBytes(handshake.resumption_secret);
  return new KeySchedule(hexToBytes(handshake.shared), transcript, resumption);
}

function exchanges(name: string): Record<Role, KeyExchange> {
  const vector = VECTORS[name]!;
  if (name === "x25519")
    return {
      [Role.CLIENT]: new X25519Exchange(hexToBytes(vector.client_private)),
      [Role.SERVER]: new X25519Exchange(hexToBytes(vector.server_private)),
    };
  return {
    [Role.CLIENT]: new Spake2Exchange(SECRET, Role.CLIENT, hexToBytes(vector.client_entropy)),
    [Role.SERVER]: new Spake2Exchange(SECRET, Role.SERVER, hexToBytes(vector.server_entropy)),
  };
}

test("the password is what Python makes of the secret", () => {
  expect(bytesToHex(SECRET.password)).toBe(VECTORS.password);
});

describe.each(["spake2", "x25519"])("key exchange by %s", (name) => {
  const vector = VECTORS[name]!;
  const shares = { [Role.CLIENT]: vector.client_share, [Role.SERVER]: vector.server_share };

  test.each([Role.CLIENT, Role.SERVER])("as role %i", (role) => {
    const exchange = exchanges(name)[role];
    expect(bytesToHex(exchange.share)).toBe(shares[role]);
    const shared = exchange.finish(hexToBytes(shares[otherRole(role)]));
    expect(bytesToHex(shared)).toBe(vector.shared);
  });

  test("refuses shares that no honest peer sends", () => {
    const exchange = exchanges(name)[Role.CLIENT];
    const honest = hexToBytes(vector.server_share);
    const bad = [exchange.share, new Uint8Array(0), honest.subarray(1), new Uint8Array(honest.length)];
    if (name === "spake2") {
      bad.push(hexToBytes(vector.client_share)); // the wrong side
      const twin = hexToBytes(`42${"00".repeat(32)}`); // of order 4
      const identity = hexToBytes(`4201${"00".repeat(31)}`);
      const noPoint = hexToBytes(`42${"02".padEnd(64, "0")}`);
      const high = hexToBytes(`42${"ff".repeat(32)}`); // y beyond the field
      bad.push(twin, identity, noPoint, high);
    }
    for (const share of bad) expect(() => exchange.finish(share)).toThrow(HandshakeError);
  });
});

describe.each(NAMES)("%s", (name) => {
  const vector = VECTORS[name]!;

  test("the keys", () => {
    const schedule = scheduleOf(vector);
    const confirmations = [vector.client_auth, vector.server_auth];
    for (const role of [Role.CLIENT, Role.SERVER]) {
      const mac = schedule.confirmation(role);
      expect(`02${bytesToHex(mac)}`).toBe(confirmations[role]);
      expect(schedule.confirms(mac, role)).toBe(true);
      expect(schedule.confirms(mac, otherRole(role))).toBe(false);
      const { audio, control } = schedule.direction(role);
      const who = role === Role.CLIENT ? "client" : "server";
      expect(bytesToHex(audio)).toBe(vector.keys[`${who} audio`]);
      expect(bytesToHex(control)).toBe(vector.keys[`${who} control`]);
    }
    expect(bytesToHex(schedule.resumption())).toBe(vector.keys["resumption"]);
  });

  test("sealed messages, both ways", () => {
    const keys = scheduleOf(vector).direction(Role.CLIENT);
    const sealer = new Sealer(keys, 5);
    for (const { stream, counter, body, message } of vector.sent_by_client) {
      const isAudio = stream === "audio";
      // Not all of them are near enough to each other to tell the counter from its low bits.
      const opener = new Opener(keys, isAudio ? counter % 2 ** 32 : 0, isAudio ? 0 : counter);
      const plain = hexToBytes(body);
      const sealed = isAudio
        ? sealer.sealAudio(counter % 2 ** 32, plain)
        : sealer.sealControl(plain);
      expect(bytesToHex(sealed)).toBe(message);
      for (let bit = 0; bit < 8 * sealed.length; bit += 1) {
        const changed = sealed.slice();
        changed[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => opener.open(changed)).toThrow(SealError);
      }
      const opened = opener.open(sealed);
      expect(opened.stream).toBe(isAudio ? Stream.AUDIO : Stream.CONTROL);
      expect(opened.counter).toBe(counter);
      expect(bytesToHex(opened.body)).toBe(body);
      expect(() => opener.open(sealed)).toThrow(
        expect.objectContaining({ isReplay: true }) as SealError,
      );
    }
    expect(() => sealer.sealAudio(16_390, new Uint8Array(1))).toThrow(InputError);
  });
});
