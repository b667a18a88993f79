/**
 * One member's connection to a room, without sockets or clocks: bytes and times in, events and bytes
 * out, as the {@link Session} of a call.
 */

import { HandshakeError, SealError, WireError } from "../errors";
import type { AudioFrames } from "../frames";
import { AudioWriter, audioToBytes } from "../protocol/audio";
import { Counters } from "../protocol/counters";
import { type Direction, type Endpoint, checkEndpoint, offerOf, sameModel } from "../protocol/endpoint";
import { Kind } from "../protocol/kinds";
import { DEFAULT_LIMITS, type Limits } from "../protocol/limits";
import { type Mute, type Text, decode, encode } from "../protocol/messages";
import { RoundTrip } from "../protocol/round_trip";
import { Sealer } from "../protocol/sealing";
import { add } from "../protocol/sequence";
import { nominalBits } from "../protocol/session";
import type { RoomClosed, RoomEvent } from "./events";
import { INTRO_KIND, RECORDING_KIND, decodeIntro, decodeRecording, encodeIntro } from "./intro";
import { type RoomKeys, memberId, newNonce } from "./keys";
import { Member } from "./member";
import {
  MAX_MEMBERS,
  type RelayMessage,
  RoomKind,
  type RoomReason,
  decodeRelay,
  encodeAudio,
  encodeControl,
  encodeJoin,
  encodePing,
} from "./messages";

// Somebody who comes in is introduced to at once; many who come at the same time, together.
const INTRO_PAUSE_S = 0.2;
const ECHO_S = 0.1;
// In a ping: the rest is the sequence number of the audio before it.
const ECHO_MARK = 1n << 62n;

/** Where a session stands; it only moves forward. */
export type RoomState = "challenge" | "joining" | "in room" | "closed";

/** What may be left out. */
export interface RoomSessionOptions {
  /** Number of the first frame that will be sent. */
  readonly sequence?: number;
  readonly limits?: Limits;
  /** 16 bytes in place of random ones, for tests. */
  readonly nonce?: Uint8Array;
}

/** The state machine of one member on one connection; throws nothing for what comes. */
export class RoomSession {
  readonly counters = new Counters();
  readonly #members = new Map<number, Member>();
  readonly #keys: RoomKeys;
  readonly #endpoint: Endpoint;
  readonly #name: string;
  readonly #limits: Limits;
  readonly #nonce: Uint8Array;
  readonly #sealer: Sealer;
  readonly #roundTrip = new RoundTrip();
  readonly #started: number;
  #state: RoomState = "challenge";
  #writer: AudioWriter;
  #nextSequence: number;
  #muted = false;
  #lastHeard: number;
  #nextPing: number;
  #nextEcho: number;
  #introAt: number | null = null;
  #lastIntro = -Infinity;
  #outgoing: Uint8Array[] = [];

  /**
   * @param keys of the room
   * @param endpoint what this side can encode and decode; it sends with the first of its models
   * @param name how the others shall call this side; may be empty
   * @param now seconds, from any monotonic origin
   * @throws InputError where a field of `endpoint` is out of range
   */
  constructor(
    keys: RoomKeys,
    endpoint: Endpoint,
    name: string,
    now: number,
    options: RoomSessionOptions = {},
  ) {
    checkEndpoint(endpoint);
    this.#keys = keys;
    this.#endpoint = endpoint;
    this.#name = name;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#nonce = options.nonce ?? newNonce();
    this.#nextSequence = options.sequence ?? 0;
    this.#sealer = new Sealer(keys.memberKeys(this.#nonce), this.#nextSequence);
    this.#writer = new AudioWriter(this.direction);
    this.#started = this.#lastHeard = this.#nextPing = this.#nextEcho = now;
  }

  /** Where the session stands. */
  get state(): RoomState {
    return this.#state;
  }

  /** The others, by number. */
  get members(): ReadonlyMap<number, Member> {
    return this.#members;
  }

  /** This side's own number. */
  get member(): number {
    return memberId(this.#nonce);
  }

  /** Latest round trip to the relay and back, in seconds. */
  get rttS(): number | null {
    return this.#roundTrip.rttS;
  }

  /** Seconds since something came from the relay. */
  silentS(now: number): number {
    return Math.max(0, now - this.#lastHeard);
  }

  /** How this side sends: coded only where all who were introduced have the same tables. */
  get direction(): Direction {
    const model = this.#endpoint.models[0]!;
    let { coder } = model;
    let rates = model.rates;
    for (const { intro } of this.#members.values()) {
      const offer = intro?.models.find((each) => sameModel(each, model));
      if (offer === undefined) continue;
      rates = rates.filter((rate) => offer.rates.includes(rate));
      if (offer.tables !== coder?.checksum) coder = null;
    }
    return { model, rates: rates.length ? rates : model.rates, coder };
  }

  /** When {@link tick} wants to be called next; null when closed. */
  get deadline(): number | null {
    if (this.#state === "closed") return null;
    if (this.#state !== "in room") return this.#started + this.#limits.handshakeS;
    const introAt = this.#introAt ?? Infinity;
    return Math.min(this.#nextPing, this.#lastHeard + this.#limits.idleS, introAt);
  }

  /** Messages to send, in order; empties the list. */
  dataToSend(): Uint8Array[] {
    const data = this.#outgoing;
    this.#outgoing = [];
    return data;
  }

  /** One whole message has come from the relay. */
  receiveData(data: Uint8Array | string, now: number): RoomEvent[] {
    if (this.#state === "closed") return [];
    this.counters.received += 1;
    this.counters.receivedBytes += data.length;
    try {
      if (typeof data === "string" || data.length > this.#limits.messageBytes)
        throw new WireError(`a message of ${data.length} bytes or characters came`);
      const message = decodeRelay(data);
      this.#lastHeard = now;
      return this.#onMessage(message, now);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (error instanceof SealError) this.counters[error.isReplay ? "replayed" : "forged"] += 1;
      else if (error instanceof HandshakeError) return this.#closed(null, error.message);
      else this.counters.malformed += 1;
      return [];
    }
  }

  /** Time has passed: deadlines are checked, pings and introductions made. */
  tick(now: number): RoomEvent[] {
    const limits = this.#limits;
    if (this.#state === "closed") return [];
    if (this.#state !== "in room") {
      if (now < this.#started + limits.handshakeS) return [];
      const text = `the relay did not let this side in within ${limits.handshakeS} seconds`;
      return this.#closed(null, text);
    }
    if (now >= this.#lastHeard + limits.idleS)
      return this.#closed(null, `nothing was heard of the relay for ${limits.idleS} seconds`);
    if (now >= this.#nextPing) {
      this.#nextPing = now + limits.pingS;
      this.#send(encodePing(this.#roundTrip.ping(now)));
    }
    if (this.#introAt !== null && now >= this.#introAt) this.#introduce(now);
    return [];
  }

  /**
   * Queue frames for everybody; false, and nothing queued, unless in the room.
   *
   * @param frames of the first model of this side's endpoint, their numbers ascending
   * @param voiced whether they hold voice: the relay forwards only some who talk at once
   * @throws InputError when the frames do not fit the model, or do not ascend
   */
  sendAudio(frames: AudioFrames, now: number, voiced = true): boolean {
    if (this.#state !== "in room") return false;
    const body = this.#writer.write(frames);
    const sealed = this.#sealer.sealAudio(frames.sequence, audioToBytes(body));
    this.#nextSequence = add(frames.sequence, frames.indices.length);
    if (!this.#send(encodeAudio(sealed, voiced))) return false;
    this.counters.sentFrames += body.toc.frames;
    this.counters.sentPayloadBytes += body.packet.length - 1;
    this.counters.sentNominalBits += nominalBits({ model: this.#endpoint.models[0]! }, body.toc);
    this.#askForEcho(frames.sequence, now);
    return true;
  }

  /** Queue a message for everybody; false, and nothing queued, unless in the room. */
  send(message: Mute | Text): boolean {
    if (message.kind === Kind.MUTE) this.#muted = message.muted;
    return this.#state === "in room" && this.#sendControl(encode(message));
  }

  /** Leave for good; the relay tells the others when the connection ends. */
  close(): RoomEvent[] {
    return this.#state === "closed" ? [] : this.#closed(null, "this side left the room", true);
  }

  /** The connection to the relay broke. */
  connectionLost(): RoomEvent[] {
    return this.#state === "closed" ? [] : this.#closed(null, "the connection to the relay broke");
  }

  #onMessage(message: RelayMessage, now: number): RoomEvent[] {
    if (message.kind === null) {
      this.counters.unknown += 1;
      return [];
    }
    if (message.kind === RoomKind.REFUSED) return this.#closed(message.reason, message.text);
    if (message.kind === RoomKind.CHALLENGE && this.#state === "challenge") {
      this.#state = "joining";
      const { roomId, publicKey } = this.#keys;
      const signature = this.#keys.signAdmission(message.challenge, this.#nonce);
      this.#send(encodeJoin(roomId, publicKey, signature, this.#nonce));
      return [];
    }
    if (message.kind === RoomKind.WELCOME && this.#state === "joining") {
      this.#state = "in room";
      this.#nextPing = now;
      for (const nonce of message.nonces) this.#add(nonce, now);
      this.#introduce(now);
      const others = [...this.#members.keys()];
      return [
        { type: "admitted", others },
        ...others.map((member): RoomEvent => ({ type: "joined", member })),
      ];
    }
    if (this.#state === "in room") return this.#onMessageInRoom(message, now);
    this.counters.outOfPlace += 1;
    return [];
  }

  #onMessageInRoom(message: RelayMessage, now: number): RoomEvent[] {
    switch (message.kind) {
      case RoomKind.AUDIO:
      case RoomKind.VOICE:
        return this.#onAudio(message.member, message.sealed, now);
      case RoomKind.CONTROL:
        return this.#onControl(message.member, message.counter, message.sealed, now);
      case RoomKind.JOINED:
        return this.#onJoined(message.nonce, now);
      case RoomKind.LEFT:
        if (!this.#members.delete(message.member)) return [];
        this.#writer = new AudioWriter(this.direction);
        return [{ type: "left", member: message.member }];
      case RoomKind.MOVED:
        return [{ type: "moved" }];
      case RoomKind.PONG:
        if (message.timeUs & ECHO_MARK)
          return [{ type: "echo", sequence: Number(message.timeUs & 0xffffffffn), heldS: 0 }];
        if (!this.#roundTrip.pong(message.timeUs, 0, now)) this.counters.outOfPlace += 1;
        return [];
      default:
        this.counters.outOfPlace += 1;
        return [];
    }
  }

  #onJoined(nonce: Uint8Array, now: number): RoomEvent[] {
    const member = memberId(nonce);
    if (this.#members.has(member) || this.#isOwn(nonce)) return [];
    if (!this.#add(nonce, now)) {
      this.counters.rateLimited += 1;
      return [];
    }
    this.#introAt = Math.max(now, this.#lastIntro + INTRO_PAUSE_S);
    return [{ type: "joined", member }, ...this.tick(now)];
  }

  #onAudio(number: number, sealed: Uint8Array, now: number): RoomEvent[] {
    const member = this.#members.get(number);
    if (!member?.model) {
      this.counters.outOfPlace += 1; // its introduction may still be under way
      return [];
    }
    const read = member.readAudio(sealed, now);
    if (read === null) {
      this.counters.duplicate += 1;
      return [];
    }
    const { frames, body, model } = read;
    this.counters.receivedFrames += body.toc.frames;
    this.counters.receivedPayloadBytes += body.packet.length - 1;
    this.counters.receivedNominalBits += nominalBits({ model }, body.toc);
    return [{ type: "audio", member: number, frames }];
  }

  #onControl(number: number, counter: number, sealed: Uint8Array, now: number): RoomEvent[] {
    const member = this.#members.get(number);
    if (member === undefined) {
      this.counters.outOfPlace += 1;
      return [];
    }
    const { body } = member.openControl(counter, sealed);
    if (body[0] === INTRO_KIND) {
      const intro = decodeIntro(body);
      member.introduce(intro);
      this.#writer = new AudioWriter(this.direction);
      return [{ type: "named", member: number, name: intro.name, model: member.model }];
    }
    if (body[0] === RECORDING_KIND) {
      const on = decodeRecording(body);
      if (on === member.isRecording) return []; // it is said again whenever somebody comes
      member.isRecording = on;
      return [{ type: "recording", member: number, on }];
    }
    const message = decode(body);
    if (message.kind !== Kind.MUTE && message.kind !== Kind.TEXT) {
      this.counters.unknown += 1;
      return [];
    }
    if (!member.notes.take(1, now)) {
      this.counters.rateLimited += 1;
      return [];
    }
    if (message.kind === Kind.TEXT)
      return [{ type: "text", member: number, text: message.text }];
    return [{ type: "mute", member: number, muted: message.muted }];
  }

  #add(nonce: Uint8Array, now: number): boolean {
    if (this.#isOwn(nonce) || this.#members.size >= MAX_MEMBERS) return false;
    const keys = this.#keys.memberKeys(nonce);
    this.#members.set(memberId(nonce), new Member(keys, this.#endpoint, now));
    return true;
  }

  #isOwn(nonce: Uint8Array): boolean {
    return nonce.every((byte, at) => byte === this.#nonce[at]);
  }

  #introduce(now: number): void {
    this.#introAt = null;
    this.#lastIntro = now;
    const models = this.#endpoint.models.map(offerOf);
    this.#sendControl(encodeIntro({ name: this.#name, models, sequence: this.#nextSequence }));
    if (this.#muted) this.send({ kind: Kind.MUTE, muted: true });
    this.#writer = new AudioWriter(this.direction); // tells the time of its frames again
  }

  /** Let the relay say that it has what was sent, by which the sender measures its link. */
  #askForEcho(sequence: number, now: number): void {
    if (now < this.#nextEcho) return;
    this.#nextEcho = now + ECHO_S;
    this.#send(encodePing(ECHO_MARK | BigInt(sequence)));
  }

  #sendControl(body: Uint8Array): boolean {
    const counter = this.#sealer.nextControl;
    return this.#send(encodeControl(counter, this.#sealer.sealControl(body)));
  }

  #send(data: Uint8Array): boolean {
    if (this.#outgoing.length >= this.#limits.outgoingMessages) {
      this.counters.notSent += 1;
      return false;
    }
    this.#outgoing.push(data);
    this.counters.sent += 1;
    this.counters.sentBytes += data.length;
    return true;
  }

  #closed(reason: RoomReason | null, text: string, left = false): RoomEvent[] {
    this.#state = "closed";
    const closed: RoomClosed = { type: "closed", reason, text, left };
    return [closed];
  }
}
