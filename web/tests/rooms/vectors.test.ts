/** docs/vectors/rooms.json: the keys of a link, and a code that leads to it. */
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { expect, test } from "vitest";
import { InputError } from "../../src/errors";
import { Opener } from "../../src/protocol/sealing";
import { CodeJoiner, RoomCode, RoomKeys, RoomLink } from "../../src/rooms";
import { WrongCodeError } from "../../src/rooms/code_joiner";
import { decodeIntro, decodeRecording } from "../../src/rooms/intro";
import { memberId } from "../../src/rooms/keys";
import { decodeRelay, encodeJoin } from "../../src/rooms/messages";
import { readJson } from "../vectors";

const { room, code, path } = readJson<Record<"room" | "code" | "path", Record<string, string>>>(
  "docs/vectors/rooms.json",
);
const bytes = (name: string, of = room): Uint8Array => hexToBytes(of[name]!);

test("the keys of a link", () => {
  const link = RoomLink.parse(room["link"]!);
  expect(String(link)).toBe(room["link"]);
  expect(bytesToHex(link.secret)).toBe(room["secret"]);
  const keys = new RoomKeys(link.secret);
  expect(bytesToHex(keys.publicKey)).toBe(room["public_key"]);
  expect(bytesToHex(keys.roomId)).toBe(room["room_id"]);
  expect(keys.fingerprint).toBe(room["fingerprint"]);
  const nonce = bytes("nonce");
  expect(memberId(nonce).toString(16).padStart(8, "0")).toBe(room["member"]);
  const { audio, control } = keys.memberKeys(nonce);
  expect(bytesToHex(audio)).toBe(room["audio_key"]);
  expect(bytesToHex(control)).toBe(room["control_key"]);
  const message = decodeRelay(bytes("challenge_message"));
  if (message.kind !== 32) throw new Error("no challenge");
  const signature = keys.signAdmission(message.challenge, nonce);
  const join = encodeJoin(keys.roomId, keys.publicKey, signature, nonce);
  expect(bytesToHex(join)).toBe(room["join_message"]);
});

test("what relays say of datagrams, which browsers do not have, is passed over", () => {
  for (const name of ["offer_message", "no_offer_message", "lossy_message"])
    expect(decodeRelay(bytes(name, path)).kind).toBeNull();
});

test("what a member says under the seal", () => {
  const keys = new RoomKeys(bytes("secret")).memberKeys(bytes("nonce"));
  const opener = new Opener(keys, Number(room["audio_sequence"]));
  const said = ["intro", "recording"].map((name) => {
    const { body } = opener.open(bytes(`${name}_message`).subarray(5)); // kind and counter
    expect(bytesToHex(body)).toBe(room[`${name}_body`]);
    return body;
  });
  expect(decodeIntro(said[0]!).name).toBe("Ann");
  expect(decodeRecording(said[1]!)).toBe(true);
  const { body, sequence } = opener.open(bytes("audio_sealed"));
  expect(bytesToHex(body)).toBe(room["audio_body"]);
  expect(String(sequence)).toBe(room["audio_sequence"]);
});

function joiner(text = code["code"]!): CodeJoiner {
  return new CodeJoiner(RoomCode.parse(text), bytes("joiner_entropy", code));
}

/** A message with the number of the guess as the joiner sends it: 0. */
function unnumbered(message: string): string {
  return `${message.slice(0, 2)}00000000${message.slice(10)}`;
}

test("a code leads to the link", () => {
  expect(RoomCode.parse(code["code"]!).password).toBe(code["password"]);
  const it = joiner();
  const ask = it.receiveData(bytes("challenge_message"))!;
  expect(bytesToHex(ask)).toBe(code["ask_message"]);
  const confirm = it.receiveData(bytes("answer_message", code))!;
  expect(bytesToHex(confirm)).toBe(unnumbered(code["confirm_message"]!));
  expect(it.link).toBeNull();
  expect(it.receiveData(bytes("grant_message", code))).toBeNull();
  expect(String(it.link)).toBe(code["link"]);
});

test("a wrong code, a refusal and somebody else's link lead nowhere", () => {
  const wrong = joiner("7-guitar-velvet@relay.example");
  wrong.receiveData(bytes("challenge_message"));
  const confirm = wrong.receiveData(bytes("answer_message", code))!;
  expect(bytesToHex(confirm)).not.toBe(unnumbered(code["confirm_message"]!));
  expect(() => wrong.receiveData(bytes("grant_message", code))).toThrow(WrongCodeError);
  expect(() => wrong.receiveData(hexToBytes("3400000000"))).toThrow(WrongCodeError);
  expect(() => joiner().receiveData(bytes("grant_message", code))).toThrow(WrongCodeError);
  expect(() => joiner().receiveData(hexToBytes("230704006e6f6e65"))).toThrow(WrongCodeError);
});

test("codes are understood however they are typed", () => {
  for (const text of ["7 Guitar_orbit@relay.example", " 7.guitar.ORBIT@https://relay.example/ "]) {
    const { password, relay, websocketUrl } = RoomCode.parse(text);
    expect(password).toBe("7-guitar-orbit");
    expect([relay, websocketUrl]).toEqual(["https://relay.example", "wss://relay.example/room"]);
  }
  expect(RoomCode.parse("7-a-b@localhost:8000").relay).toBe("http://localhost:8000");
  expect(RoomCode.isCode("7-guitar-orbit")).toBe(false);
  for (const text of ["0-a-b@relay.example", "7-guitar@relay.example", "", "7-a-b@http://x.example"])
    expect(() => RoomCode.parse(text)).toThrow(InputError);
});
