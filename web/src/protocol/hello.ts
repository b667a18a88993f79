/** The messages of the handshake: hello, auth, reject; and bye, which ends a call. */

import { HandshakeError, InputError, WireError } from "../errors";
import { MAX_PACKET_FRAMES, MAX_RATE } from "../packet";
import {
  Reader,
  U32_MAX,
  Writer,
  bytesOfText,
  checkRange,
  printable,
  textOfBytes,
} from "./fields";
import { Method, shareBytes } from "./key_exchange";
import { CONFIRMATION_BYTES } from "./key_schedule";
import { Kind, type Reason, type Role, reasonOfCode } from "./kinds";

export const PROTOCOL_VERSION = 2;
export const MAX_MODELS = 8;
const MAX_REASON_BYTES = 500;
const MAX_MODEL_ID_BYTES = 64;
const MODEL_HASH_BYTES = 8;
const ID_BYTES = 16;
const MAGIC = bytesOfText("Q2D2");

/** A model that the sender of a hello can decode, and encode with. */
export interface ModelOffer {
  /** Its name, 1 to 64 bytes of UTF-8. */
  readonly modelId: string;
  /** 8 bytes that differ when the weights or the lattice differ. */
  readonly modelHash: Uint8Array;
  /** Rates of its ladder that the sender can decode, ascending, each 0 to 6. */
  readonly rates: readonly number[];
  /** Checksum of the entropy tables that the sender has for it; 0 for none. */
  readonly tables: number;
}

/** First message of both sides. All of it, as it was on the wire, goes into the keys. */
export interface Hello {
  readonly kind: typeof Kind.HELLO;
  readonly role: Role;
  readonly method: Method;
  /** The sender's part of the key exchange. */
  readonly share: Uint8Array;
  /** What the sender can decode, its preferred one first, 1 to 8. */
  readonly models: readonly ModelOffer[];
  /** Frames per audio message wanted, 1 to 16. */
  readonly framesPerMessage: number;
  /** 16 random bytes chosen by the client; the server repeats them. */
  readonly callId: Uint8Array;
  /** 16 random bytes, new for every connection. */
  readonly nonce: Uint8Array;
  /** Sequence number that the sender's next frame will have. */
  readonly sequence: number;
  /** Bits of {@link Capability}, and others. */
  readonly capabilities: number;
}

/** Confirms the keys: 16 bytes that only a side with the same ones can make. */
export interface Auth {
  readonly kind: typeof Kind.AUTH;
  readonly mac: Uint8Array;
}

/** The handshake fails, or the listener is busy: a reason and a sentence for the user. */
export interface Reject {
  readonly kind: typeof Kind.REJECT;
  readonly reason: Reason;
  readonly text: string;
}

/** The call ends: a reason and a sentence for the user. */
export interface Bye {
  readonly kind: typeof Kind.BYE;
  readonly reason: Reason;
  readonly text: string;
}

/** @throws InputError where a field is out of range */
export function checkOffer(offer: ModelOffer): void {
  if (!offer.modelId) throw new InputError("modelId is empty, expected the name of a model");
  checkRange("length of modelHash", offer.modelHash.length, MODEL_HASH_BYTES, MODEL_HASH_BYTES);
  const { rates } = offer;
  if (!rates.length || rates.some((rate, at) => at > 0 && rate <= rates[at - 1]!))
    throw new InputError(`rates is ${rates.join(", ")}, expected ascending rates, at least one`);
  for (const rate of rates) checkRange("rate", rate, 0, MAX_RATE);
  checkRange("tables", offer.tables, 0, U32_MAX);
}

/** An offer as it stands in a hello. */
export function putOffer(writer: Writer, offer: ModelOffer): void {
  checkOffer(offer);
  const name = bytesOfText(printable(offer.modelId, MAX_MODEL_ID_BYTES));
  writer.bytes(offer.modelHash).u8(offer.rates.reduce((bits, rate) => bits | (1 << rate), 0));
  writer.u32(offer.tables).u8(name.length).bytes(name);
}

/** Inverse of {@link putOffer}: takes an offer from the front. */
export function takeOffer(reader: Reader): ModelOffer {
  const modelHash = reader.bytes(MODEL_HASH_BYTES);
  const bits = reader.u8();
  const tables = reader.u32();
  const name = textOfBytes(reader.bytes(reader.u8()), "the name of a model");
  const rates = [0, 1, 2, 3, 4, 5, 6, 7].filter((rate) => (bits >> rate) & 1);
  const offer = { modelId: printable(name, MAX_MODEL_ID_BYTES), modelHash, rates, tables };
  checkOffer(offer);
  return offer;
}

/** What a user reads of an offer. */
export function offerText(offer: Pick<ModelOffer, "modelId" | "modelHash">): string {
  const hash = [...offer.modelHash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${offer.modelId} (${hash})`;
}

function checkHello(hello: Hello): void {
  const share = shareBytes(hello.method);
  checkRange("length of callId", hello.callId.length, ID_BYTES, ID_BYTES);
  checkRange("length of nonce", hello.nonce.length, ID_BYTES, ID_BYTES);
  checkRange("length of share", hello.share.length, share, share);
  checkRange("number of models", hello.models.length, 1, MAX_MODELS);
  checkRange("framesPerMessage", hello.framesPerMessage, 1, MAX_PACKET_FRAMES);
  checkRange("sequence", hello.sequence, 0, U32_MAX);
  checkRange("capabilities", hello.capabilities, 0, 0xffff);
}

/** Bytes of a hello. */
export function putHello(writer: Writer, hello: Hello): void {
  checkHello(hello);
  writer.bytes(MAGIC).u8(PROTOCOL_VERSION).u8(hello.role).u8(hello.method);
  writer.u16(hello.capabilities).u8(hello.framesPerMessage).u32(hello.sequence);
  writer.bytes(hello.callId).bytes(hello.nonce);
  writer.u8(hello.share.length).bytes(hello.share).u8(hello.models.length);
  for (const model of hello.models) putOffer(writer, model);
}

/** Inverse of {@link putHello}; HandshakeError for another protocol version. */
export function takeHello(reader: Reader): Hello {
  const magic = reader.bytes(MAGIC.length);
  const version = reader.u8();
  if (magic.some((byte, at) => byte !== MAGIC[at]))
    throw new WireError("the hello does not begin with Q2D2: the peer is not a q2d2-stream");
  if (version !== PROTOCOL_VERSION)
    throw new HandshakeError(
      `one side speaks protocol version ${PROTOCOL_VERSION}, the other ${version}: install the ` +
        "same version of q2d2-stream on both",
    );
  const role = reader.u8();
  const method = reader.u8();
  checkRange("role", role, 0, 1);
  checkRange("method", method, 0, 1);
  const capabilities = reader.u16();
  const framesPerMessage = reader.u8();
  const sequence = reader.u32();
  const callId = reader.bytes(ID_BYTES);
  const nonce = reader.bytes(ID_BYTES);
  const share = reader.bytes(reader.u8());
  const count = reader.u8();
  checkRange("number of models", count, 1, MAX_MODELS);
  const models = Array.from({ length: count }, () => takeOffer(reader));
  const hello: Hello = {
    kind: Kind.HELLO,
    role: role as Role,
    method: method as Method,
    share,
    models,
    framesPerMessage,
    callId,
    nonce,
    sequence,
    capabilities,
  };
  checkHello(hello);
  return hello;
}

/** Inverse of `writer.bytes(auth.mac)`. */
export function takeAuth(reader: Reader): Auth {
  return { kind: Kind.AUTH, mac: reader.bytes(CONFIRMATION_BYTES) };
}

/** Bytes of a reject or a bye. */
export function putEnding(writer: Writer, ending: Reject | Bye): void {
  writer.u8(ending.reason).text(printable(ending.text, MAX_REASON_BYTES));
}

/** Inverse of {@link putEnding}. */
export function takeEnding(reader: Reader): { reason: Reason; text: string } {
  const reason = reasonOfCode(reader.u8());
  return { reason, text: printable(reader.text(MAX_REASON_BYTES), MAX_REASON_BYTES) };
}
