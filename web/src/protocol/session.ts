/**
 * The caller's side of one connection, without sockets or clocks: bytes and times in, events and
 * bytes out.
 *
 * The owner feeds {@link Session.receiveData} with what the transport delivers, calls
 * {@link Session.tick} when {@link Session.deadline} is reached, and after either sends what
 * {@link Session.dataToSend} holds.
 */

import { HandshakeError, SealError, WireError } from "../errors";
import type { AudioFrames } from "../frames";
import type { Toc } from "../packet";
import { type AudioBody, AudioReader, AudioWriter, audioToBytes, parseAudio } from "./audio";
import type { Call } from "./call";
import { Counters } from "./counters";
import { Echoes } from "./echoes";
import type { Direction, Endpoint } from "./endpoint";
import type { Closed, Established, Event, Exchange } from "./events";
import { Handshake, Rejection } from "./handshake";
import type { Bye, Reject } from "./hello";
import type { KeyExchange } from "./key_exchange";
import { Kind, Reason } from "./kinds";
import { DEFAULT_LIMITS, type Limits, TokenBucket } from "./limits";
import {
  type Message,
  type Mute,
  type ReceiverReport,
  type Text,
  type Unknown,
  decode,
  encode,
} from "./messages";
import { RoundTrip } from "./round_trip";
import { type Opened, type Opener, type Sealer, Stream } from "./sealing";

/** Where a session stands; it only moves forward. */
export type State = "handshake" | "auth" | "established" | "closed";

/** What stands under the short tag of an audio message, and nothing else. */
const RIDERS: ReadonlySet<number | null> = new Set([
  Kind.ECHO,
  Kind.REPORT,
  Kind.PING,
  Kind.PONG,
  null,
]);

/** What is there once the handshake is done. */
interface Talk {
  readonly established: Established;
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly writer: AudioWriter;
  readonly reader: AudioReader;
  /** Which of the call's connections this is. */
  readonly connection: number;
}

/** What tests fix. */
export interface SessionOptions {
  readonly limits?: Limits;
  readonly nonce?: Uint8Array;
  readonly exchange?: KeyExchange;
}

/**
 * The protocol state machine of one connection; see docs/reference/protocol.md. After the
 * constructor nothing is thrown, whatever the peer sends.
 */
export class Session {
  readonly counters = new Counters();
  readonly #limits: Limits;
  readonly #handshake: Handshake;
  readonly #echoes: Echoes;
  readonly #roundTrip = new RoundTrip();
  readonly #started: number;
  readonly #messages: TokenBucket;
  readonly #frames: TokenBucket;
  readonly #malformed: TokenBucket;
  #state: State = "handshake";
  #talk: Talk | null = null;
  #lastHeard: number;
  #nextPing: number;
  #outgoing: Uint8Array[] = [];
  #report: { readonly report: ReceiverReport; readonly since: number } | null = null;
  #asked: { readonly bytes: number; readonly at: number } | null = null;
  #exchange: Exchange | null = null;
  #handshakeMessages = 0;

  /**
   * @param endpoint what this end brings along
   * @param call the same object on every reconnection
   * @param now seconds, from any monotonic origin; the handshake's time begins to run
   * @throws InputError where a field of `endpoint` is out of range
   */
  constructor(endpoint: Endpoint, call: Call, now: number, options: SessionOptions = {}) {
    const limits = (this.#limits = options.limits ?? DEFAULT_LIMITS);
    this.#handshake = new Handshake(endpoint, call, options.nonce, options.exchange);
    this.#echoes = new Echoes(limits.echoS, limits.echoAloneS);
    this.#started = this.#lastHeard = this.#nextPing = now;
    this.#messages = new TokenBucket(limits.messagesPerS, limits.messagesBurst, now);
    this.#frames = new TokenBucket(limits.audioFramesPerS, limits.audioFramesBurst, now);
    this.#malformed = new TokenBucket(limits.malformedPerS, limits.malformedBurst, now);
    this.#sendHandshake(this.#handshake.hello, now);
  }

  /** Where the session stands. */
  get state(): State {
    return this.#state;
  }

  /** What the handshake agreed on; null before. */
  get established(): Established | null {
    return this.#talk?.established ?? null;
  }

  /** Latest round-trip time in seconds, of audio or of a ping; null before the first. */
  get rttS(): number | null {
    return this.#echoes.rttS ?? this.#roundTrip.rttS;
  }

  /** Seconds since something genuine came from the peer. */
  silentS(now: number): number {
    return Math.max(0, now - this.#lastHeard);
  }

  /** When {@link tick} wants to be called next; null when closed. */
  get deadline(): number | null {
    const limits = this.#limits;
    if (this.#state === "closed") return null;
    if (this.#state !== "established") return this.#started + limits.handshakeS;
    return Math.min(
      this.#nextPing,
      this.#lastHeard + limits.idleS,
      this.#echoes.deadline ?? Infinity,
      this.#report === null ? Infinity : this.#report.since + limits.reportAloneS,
    );
  }

  /** Messages to send, in order, each whole; empties the list. */
  dataToSend(): Uint8Array[] {
    const data = this.#outgoing;
    this.#outgoing = [];
    return data;
  }

  /** One whole message has come; a websocket's text message (a string) is malformed. */
  receiveData(data: Uint8Array | string, now: number): Event[] {
    if (this.#state === "closed") return [];
    const takenOver = this.#checkTakenOver();
    if (takenOver.length) return takenOver;
    this.counters.received += 1;
    this.counters.receivedBytes += data.length;
    // The protocol has no text messages: one is as malformed as an empty binary one.
    const binary = typeof data === "string" ? new Uint8Array(0) : data;
    return this.#talk === null
      ? this.#receiveHandshake(binary, now)
      : this.#receiveEstablished(binary, this.#talk, now);
  }

  /** Time has passed: deadlines are checked and pings made. */
  tick(now: number): Event[] {
    const limits = this.#limits;
    const talk = this.#talk;
    if (this.#state === "closed") return [];
    if (talk === null) {
      if (now < this.#started + limits.handshakeS) return [];
      const text = `the handshake took longer than ${limits.handshakeS} seconds`;
      return this.#reject(Reason.TIMEOUT, text);
    }
    const takenOver = this.#checkTakenOver();
    if (takenOver.length) return takenOver;
    if (now >= this.#lastHeard + limits.idleS) {
      const text = `nothing was heard for ${limits.idleS} seconds`;
      return this.#end(talk, Reason.TIMEOUT, text);
    }
    const echo = this.#echoes.toGoAlone(now);
    if (echo !== null) this.#send(talk, echo);
    if (this.#report !== null && now >= this.#report.since + limits.reportAloneS) {
      this.#send(talk, this.#report.report);
      this.#report = null;
    }
    if (now >= this.#nextPing) {
      let heardAt = this.#echoes.heardAt;
      if (heardAt === null || now - heardAt >= limits.pingS) {
        this.#send(talk, { kind: Kind.PING, timeUs: this.#roundTrip.ping(now) });
        heardAt = now;
      }
      this.#nextPing = heardAt + limits.pingS;
    }
    return [];
  }

  /**
   * Queue frames for sending; false, and nothing queued, unless established.
   *
   * @throws InputError when the frames do not fit the model, or come in another order than that of
   *     their numbers
   */
  sendAudio(frames: AudioFrames, now: number): boolean {
    const talk = this.#talk;
    if (this.#state !== "established" || talk === null || !this.#hasRoom()) return false;
    const body = talk.writer.write(frames, this.#rider(now));
    this.#echoes.sent(frames.sequence, now);
    this.#queue(talk.sealer.sealAudio(frames.sequence, audioToBytes(body)));
    this.counters.sentFrames += body.toc.frames;
    this.counters.sentPayloadBytes += body.packet.length - 1;
    this.counters.sentNominalBits += nominalBits(talk.established.sending, body.toc);
    return true;
  }

  /** Queue a message; false, and nothing queued, unless established. */
  send(message: Mute | Text): boolean {
    return this.#state === "established" && this.#talk !== null && this.#send(this.#talk, message);
  }

  /** Let a report ride on the next audio; alone when there is none for a second. */
  sendReport(report: ReceiverReport, now: number): void {
    if (this.#state === "established")
      this.#report = { report, since: this.#report?.since ?? now };
  }

  /** Say bye and end the call for good. */
  close(text = "the call has ended"): Event[] {
    if (this.#state === "closed") return [];
    return this.#talk === null
      ? this.#reject(Reason.ENDED, text)
      : this.#end(this.#talk, Reason.ENDED, text);
  }

  /** The connection broke; the call may come back on another one. */
  connectionLost(): Event[] {
    if (this.#state === "closed") return [];
    return this.#closed(Reason.LOST, "the connection broke", false);
  }

  #receiveHandshake(data: Uint8Array, now: number): Event[] {
    const limits = this.#limits;
    this.#handshakeMessages += 1;
    if (this.#handshakeMessages > limits.handshakeMessages) {
      const text = `more than ${limits.handshakeMessages} messages came during the handshake`;
      return this.#reject(Reason.PROTOCOL, text);
    }
    if (data.length > limits.handshakeBytes) {
      const text =
        `a message of ${data.length} bytes came during the handshake, expected at most ` +
        `${limits.handshakeBytes}`;
      return this.#reject(Reason.PROTOCOL, text);
    }
    this.#timeExchange(data.length, now);
    try {
      const message = decode(data);
      if (message.kind === null) {
        this.counters.unknown += 1;
        return [];
      }
      if (message.kind === Kind.REJECT) return this.#closed(message.reason, message.text, true);
      const answer = this.#handshake.receive(message, data);
      if ("kind" in answer) {
        this.#sendHandshake(answer, now);
        this.#state = "auth";
        return [];
      }
      const { sealer, opener } = answer;
      const established = { ...answer.established, exchange: this.#exchange };
      this.#talk = {
        established,
        sealer,
        opener,
        writer: new AudioWriter(established.sending),
        reader: new AudioReader(established.receiving, established.peer.sequence),
        connection: established.call.connections,
      };
      this.#state = "established";
      this.#lastHeard = this.#nextPing = now;
      return [established];
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (error instanceof Rejection) return this.#reject(error.reason, error.message);
      if (error instanceof HandshakeError) return this.#reject(Reason.VERSION, error.message);
      this.counters.malformed += 1;
      return this.#reject(Reason.PROTOCOL, error.message);
    }
  }

  #receiveEstablished(data: Uint8Array, talk: Talk, now: number): Event[] {
    if (data.length > this.#limits.messageBytes || !this.#messages.take(1, now)) {
      this.counters.rateLimited += 1;
      return [];
    }
    let opened: Opened;
    // What does not open is not the peer's: it can neither end the call nor keep it alive.
    try {
      opened = talk.opener.open(data);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      this.counters[error.isReplay ? "replayed" : "forged"] += 1;
      return [];
    }
    this.#lastHeard = now;
    try {
      return opened.stream === Stream.AUDIO
        ? this.#onAudio(opened, talk, now)
        : this.#onMessage(decode(opened.body), talk, now);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.counters.malformed += 1;
      if (this.#malformed.take(1, now)) return [];
      const text = `too many malformed messages came, the last because ${error.message}`;
      return this.#end(talk, Reason.PROTOCOL, text);
    }
  }

  #onMessage(message: Message | Unknown, talk: Talk, now: number): Event[] {
    switch (message.kind) {
      case null:
        this.counters.unknown += 1;
        return [];
      case Kind.REPORT:
        return [{ type: "report", report: message }];
      case Kind.MUTE:
        return [{ type: "mute", muted: message.muted }];
      case Kind.TEXT:
        return [{ type: "text", text: message.text }];
      case Kind.ECHO: {
        const echo = this.#echoes.heard(message, now);
        if (echo === null) return [];
        return [{ type: "echo", sequence: echo.sequence, heldS: echo.heldS }];
      }
      case Kind.PING:
        this.#send(talk, { kind: Kind.PONG, timeUs: message.timeUs, heldUs: 0 });
        return [];
      case Kind.PONG:
        if (!this.#roundTrip.pong(message.timeUs, message.heldUs, now))
          this.counters.outOfPlace += 1;
        return [];
      case Kind.BYE:
        return this.#closed(message.reason, message.text, true);
      default:
        this.counters.outOfPlace += 1;
        return [];
    }
  }

  #onAudio(opened: Opened, talk: Talk, now: number): Event[] {
    const body = parseAudio(opened.body);
    if (!this.#frames.take(body.toc.frames, now)) {
      this.counters.rateLimited += 1;
      return [];
    }
    const frames = talk.reader.read(opened.sequence, body);
    const copies = talk.reader.readCopies(frames, body);
    const rider = body.rider.length ? decode(body.rider) : null;
    if (rider !== null && !RIDERS.has(rider.kind))
      throw new WireError(`a message of kind ${rider.kind} rides on audio, expected an echo or so`);
    const verdict = talk.established.call.window.accept(opened.sequence, body.toc.frames);
    if (verdict !== "new") {
      this.counters[verdict === "duplicate" ? "duplicate" : "outOfWindow"] += 1;
      return [];
    }
    this.#count(body, talk.established.receiving);
    this.#echoes.received(opened.sequence, now);
    const events: Event[] = [{ type: "audio", frames }];
    if (copies !== null) events.push({ type: "audio", frames: copies });
    return rider === null ? events : [...events, ...this.#onMessage(rider, talk, now)];
  }

  #count(body: AudioBody, direction: Direction): void {
    this.counters.receivedFrames += body.toc.frames;
    this.counters.receivedPayloadBytes += body.packet.length - 1;
    this.counters.receivedNominalBits += nominalBits(direction, body.toc);
  }

  #rider(now: number): Uint8Array | undefined {
    const echo = this.#echoes.toRide(now);
    if (echo !== null) return encode(echo);
    const waiting = this.#report;
    this.#report = null;
    return waiting === null ? undefined : encode(waiting.report);
  }

  #hasRoom(): boolean {
    if (this.#outgoing.length < this.#limits.outgoingMessages) return true;
    this.counters.notSent += 1;
    return false;
  }

  #send(talk: Talk, message: Message): boolean {
    // The last word is sent even when the owner has let the queue fill.
    if (message.kind !== Kind.BYE && !this.#hasRoom()) return false;
    this.#queue(talk.sealer.sealControl(encode(message)));
    return true;
  }

  #sendHandshake(message: Message, now: number): void {
    const data = encode(message);
    this.#asked = { bytes: data.length, at: now };
    this.#queue(data);
  }

  #timeExchange(receivedBytes: number, now: number): void {
    if (this.#asked !== null && this.#exchange === null) {
      const { bytes, at } = this.#asked;
      this.#exchange = { messageBytes: bytes + receivedBytes, seconds: now - at };
    }
    this.#asked = null;
  }

  #queue(data: Uint8Array): void {
    this.#outgoing.push(data);
    this.counters.sent += 1;
    this.counters.sentBytes += data.length;
  }

  #checkTakenOver(): Event[] {
    const talk = this.#talk;
    if (talk === null || talk.established.call.connections === talk.connection) return [];
    return this.#end(talk, Reason.TAKEN_OVER, "a newer connection carries this call on");
  }

  #reject(reason: Reason, text: string): Event[] {
    const message: Reject = { kind: Kind.REJECT, reason, text };
    this.#queue(encode(message));
    return this.#closed(reason, text, false);
  }

  #end(talk: Talk, reason: Reason, text: string): Event[] {
    const message: Bye = { kind: Kind.BYE, reason, text };
    this.#send(talk, message);
    return this.#closed(reason, text, false);
  }

  #closed(reason: Reason, text: string, byPeer: boolean): Event[] {
    this.#state = "closed";
    const closed: Closed = { type: "closed", reason, text, byPeer };
    return [closed];
  }
}

/** What frames come to at the model's bits per frame. */
export function nominalBits(direction: Pick<Direction, "model">, toc: Toc): number {
  return toc.frames * (direction.model.config.ladder[toc.rate]?.bitsPerFrame ?? 0);
}
