/** What one end of a call brings along: its models, its wishes, its secret. */

import type { CodecConfig } from "../config";
import type { IndexCoder } from "../entropy/indices";
import { InputError } from "../errors";
import { MAX_PACKET_FRAMES } from "../packet";
import type { Secret } from "./auth";
import { checkRange } from "./fields";
import { type Hello, MAX_MODELS, type ModelOffer, checkOffer } from "./hello";

/** A model that this end can encode and decode with. */
export interface LocalModel {
  readonly config: CodecConfig;
  /** Its name. */
  readonly modelId: string;
  /** 8 bytes that differ when the weights or the lattice differ. */
  readonly modelHash: Uint8Array;
  /** Rates that this end decodes, ascending, at least one. */
  readonly rates: readonly number[];
  /** Codes audio for a peer that has the same tables; null: never. */
  readonly coder: IndexCoder | null;
}

/** What both sides agreed on for one direction. */
export interface Direction {
  /** Encodes or decodes it. */
  readonly model: LocalModel;
  /** Rates that both sides have, ascending. */
  readonly rates: readonly number[];
  /** Codes its audio, as both sides have the tables; null: everything is packed. */
  readonly coder: IndexCoder | null;
}

/** One end of a call. */
export interface Endpoint {
  /** What it can encode and decode with, its preferred one first, 1 to 8. */
  readonly models: readonly LocalModel[];
  /** Frames per audio message to begin with, 1 to 16. */
  readonly framesPerMessage: number;
  /** Whether silence may be left unsent. */
  readonly dtx: boolean;
  /** What both sides must prove to know; null for a call in which nobody is authenticated. */
  readonly secret: Secret | null;
}

/** @throws InputError where a field is out of range */
export function checkEndpoint(endpoint: Endpoint): void {
  checkRange("number of models", endpoint.models.length, 1, MAX_MODELS);
  checkRange("framesPerMessage", endpoint.framesPerMessage, 1, MAX_PACKET_FRAMES);
  endpoint.models.forEach((model, at) => {
    checkOffer(offerOf(model));
    if (endpoint.models.slice(0, at).some((other) => sameModel(model, other)))
      throw new InputError("two of the models are the same, expected different ones");
  });
}

/** A model in a hello. */
export function offerOf(model: LocalModel): ModelOffer {
  const { modelId, modelHash, rates, coder } = model;
  return { modelId, modelHash, rates, tables: coder?.checksum ?? 0 };
}

/** Whether two are of the same weights and lattice. */
export function sameModel(
  one: Pick<ModelOffer, "modelHash">,
  other: Pick<ModelOffer, "modelHash">,
): boolean {
  return one.modelHash.every((byte, at) => byte === other.modelHash[at]);
}

/** The first of this end's models that the peer can decode; null when there is none. */
export function modelForSending(endpoint: Endpoint, peer: Hello): LocalModel | null {
  const { models } = endpoint;
  return models.find((model) => peer.models.some((offer) => sameModel(offer, model))) ?? null;
}

/** What {@link modelForSending} gives at the peer. */
export function modelForReceiving(endpoint: Endpoint, peer: Hello): LocalModel | null {
  for (const offer of peer.models)
    for (const model of endpoint.models) if (sameModel(offer, model)) return model;
  return null;
}

/** How `model` is used with an offer of it: the rates that both have, coded with equal tables. */
export function directionWith(model: LocalModel, offer: ModelOffer): Direction {
  const { coder } = model;
  return {
    model,
    rates: model.rates.filter((rate) => offer.rates.includes(rate)),
    coder: coder !== null && coder.checksum === offer.tables ? coder : null,
  };
}
