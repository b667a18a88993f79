/** The caller's handshake: hellos, then proof that both sides have the same keys. */

import { randomBytes } from "@noble/hashes/utils.js";
import { HandshakeError } from "../errors";
import type { Call } from "./call";
import {
  type Direction,
  type Endpoint,
  type LocalModel,
  checkEndpoint,
  directionWith,
  modelForReceiving,
  modelForSending,
  offerOf,
  sameModel,
} from "./endpoint";
import type { Established } from "./events";
import { type Auth, type Hello, offerText } from "./hello";
import { type KeyExchange, Method, keyExchange } from "./key_exchange";
import { KeySchedule, transcriptHash } from "./key_schedule";
import { Capability, Kind, Reason, Role } from "./kinds";
import { type Message, encode } from "./messages";
import { Opener, Sealer } from "./sealing";

const NAMES = new Map<number, string>(
  Object.entries(Kind).map(([name, kind]) => [kind, name.toLowerCase()]),
);

/** A handshake that fails, with the reason that the peer is told. */
export class Rejection extends HandshakeError {
  readonly reason: Reason;

  constructor(reason: Reason, text: string) {
    super(text);
    this.reason = reason;
  }
}

/** The handshake is done. */
export interface Agreed {
  readonly established: Established;
  readonly sealer: Sealer;
  readonly opener: Opener;
}

/**
 * The client's side. It greets first and confirms first, so that a guess at the server's secret is
 * always one that the server sees.
 *
 *     client                          server
 *       | -- hello ---------------------> |  method, models, rates fit?
 *       | <--------------------- hello -- |
 *       | -- auth ----------------------> |  same keys? busy?
 *       | <---------------------- auth -- |  same keys?
 */
export class Handshake {
  readonly #endpoint: Endpoint;
  readonly #call: Call;
  readonly #exchange: KeyExchange;
  readonly #own: Hello;
  readonly #resumption: Uint8Array;
  #peer: Hello | null = null;
  #keys: KeySchedule | null = null;

  /**
   * @param endpoint what this end brings along
   * @param call the same one on every reconnection
   * @param nonce 16 bytes in place of random ones, for tests, as `exchange`
   * @throws InputError where a field of `endpoint` is out of range
   */
  constructor(
    endpoint: Endpoint,
    call: Call,
    nonce: Uint8Array = randomBytes(16),
    exchange: KeyExchange = keyExchange(endpoint.secret, Role.CLIENT),
  ) {
    checkEndpoint(endpoint);
    this.#endpoint = endpoint;
    this.#call = call;
    this.#exchange = exchange;
    this.#resumption = call.resumption;
    this.#own = {
      kind: Kind.HELLO,
      role: Role.CLIENT,
      method: exchange.method,
      share: exchange.share,
      models: endpoint.models.map(offerOf),
      framesPerMessage: endpoint.framesPerMessage,
      callId: call.callId,
      nonce,
      sequence: call.nextSequence,
      capabilities:
        (endpoint.dtx ? Capability.DTX : 0) | (call.resumption.length ? Capability.RESUMES : 0),
    };
  }

  /** The message to begin with. */
  get hello(): Hello {
    return this.#own;
  }

  /**
   * Answer a message: a hello by an auth, an auth by what was agreed on.
   *
   * @param message what `data` decodes to
   * @param data the message as it was on the wire, which goes into the keys
   * @throws Rejection when the ends do not fit together
   */
  receive(message: Message, data: Uint8Array): Auth | Agreed {
    if (message.kind === Kind.HELLO && this.#peer === null) return this.#onHello(message, data);
    if (message.kind === Kind.AUTH && this.#peer !== null && this.#keys !== null)
      return this.#onAuth(message, this.#peer, this.#keys);
    const expected = this.#peer === null ? "a hello" : "an auth";
    throw new Rejection(
      Reason.PROTOCOL,
      `a ${NAMES.get(message.kind)} came where ${expected} was expected`,
    );
  }

  #onHello(peer: Hello, data: Uint8Array): Auth {
    this.#check(peer);
    this.#peer = peer;
    const resumes = (peer.capabilities & this.#own.capabilities & Capability.RESUMES) !== 0;
    let shared: Uint8Array;
    try {
      shared = this.#exchange.finish(peer.share);
    } catch (error) {
      if (error instanceof HandshakeError) throw new Rejection(Reason.PROTOCOL, error.message);
      throw error;
    }
    const transcript = transcriptHash(encode(this.#own), data);
    this.#keys = new KeySchedule(shared, transcript, resumes ? this.#resumption : undefined);
    return { kind: Kind.AUTH, mac: this.#keys.confirmation(Role.CLIENT) };
  }

  #onAuth(auth: Auth, peer: Hello, keys: KeySchedule): Agreed {
    if (!keys.confirms(auth.mac, Role.SERVER)) throw this.#unconfirmed();
    const resumes = (peer.capabilities & Capability.RESUMES) !== 0;
    const call = this.#call;
    const resumed = resumes && call.window.isNear(peer.sequence);
    if (!resumed) call.window.restart(peer.sequence);
    call.connections += 1;
    if (!(resumes && this.#own.capabilities & Capability.RESUMES)) call.begin(keys.resumption());
    const { framesPerMessage, secret } = this.#endpoint;
    return {
      sealer: new Sealer(keys.direction(Role.CLIENT), this.#own.sequence),
      opener: new Opener(keys.direction(Role.SERVER), peer.sequence),
      established: {
        type: "established",
        call,
        peer,
        sending: this.#direction(modelForSending(this.#endpoint, peer), peer),
        receiving: this.#direction(modelForReceiving(this.#endpoint, peer), peer),
        framesPerMessage: Math.max(framesPerMessage, peer.framesPerMessage),
        resumed,
        authenticated: secret !== null,
        exchange: null,
      },
    };
  }

  #unconfirmed(): Rejection {
    if (this.#endpoint.secret !== null)
      return new Rejection(
        Reason.SECRET,
        "the two sides hold different secrets, or somebody between them changed a message: give " +
          "both the same --secret",
      );
    return new Rejection(
      Reason.PROTOCOL,
      "the two sides have not the same keys: somebody between them changed a message, or this " +
        "is not the caller whose call goes on",
    );
  }

  /** Refuse a peer that does not fit, in a sentence that both users can act on. */
  #check(peer: Hello): void {
    const own = this.#own;
    if (peer.role !== Role.SERVER || same(peer.nonce, own.nonce))
      throw new Rejection(Reason.PROTOCOL, "this side got its own hello back");
    if (!same(peer.callId, own.callId))
      throw new Rejection(Reason.PROTOCOL, "the server answered for another call");
    if (peer.method !== own.method) {
      const [asks, without] =
        own.method === Method.SPAKE2 ? ["client", "server"] : ["server", "client"];
      throw new Rejection(
        Reason.SECRET,
        `the ${asks} asks for a secret and the ${without} was started without: give both the ` +
          "same --secret, or none",
      );
    }
    this.#direction(modelForSending(this.#endpoint, peer), peer);
    this.#direction(modelForReceiving(this.#endpoint, peer), peer);
  }

  /** How `model` is used with `peer`; a Rejection where it is none, or no rate is common. */
  #direction(model: LocalModel | null, peer: Hello): Direction {
    const offer = peer.models.find((each) => model !== null && sameModel(each, model));
    if (model === null || offer === undefined)
      throw new Rejection(
        Reason.MODEL,
        `the client has model ${this.#own.models.map(offerText).join(", ")}, the server ` +
          `${peer.models.map(offerText).join(", ")}: install the same version of q2d2-stream, ` +
          "or give both a model that the other has",
      );
    const direction = directionWith(model, offer);
    if (!direction.rates.length)
      throw new Rejection(
        Reason.RATES,
        `the client supports rates ${model.rates.join(", ")} of model ${model.modelId}, the ` +
          `server ${offer.rates.join(", ")}: allow a common one on both`,
      );
    return direction;
  }
}

function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
