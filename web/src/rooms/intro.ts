/** What members tell each other under the seal: who they are, what they send, that they record. */

import { InputError, WireError } from "../errors";
import { Reader, Writer, checkRange, printable } from "../protocol/fields";
import { MAX_MODELS, type ModelOffer, putOffer, takeOffer } from "../protocol/hello";

export const INTRO_KIND = 64;
/** The sender keeps what is said in the room, or does so no more; said again to who comes. */
export const RECORDING_KIND = 65;
const MAX_NAME_BYTES = 60;

/** A member introduces itself, again whenever somebody comes in. */
export interface Intro {
  /** One printable line of at most 60 bytes; may be empty. */
  readonly name: string;
  /** What the member can decode, the one it sends with first, 1 to 8. */
  readonly models: readonly ModelOffer[];
  /** Number of the next frame that it sends. */
  readonly sequence: number;
}

/** The control message, with its kind. */
export function encodeIntro(intro: Intro): Uint8Array {
  checkRange("number of models", intro.models.length, 1, MAX_MODELS);
  const writer = new Writer().u8(INTRO_KIND).u32(intro.sequence).u8(intro.models.length);
  writer.text(printable(intro.name, MAX_NAME_BYTES));
  for (const model of intro.models) putOffer(writer, model);
  return writer.done();
}

/** Inverse of {@link encodeIntro}; WireError for anything malformed. */
export function decodeIntro(data: Uint8Array): Intro {
  const reader = new Reader(data, "an introduction");
  reader.u8();
  const sequence = reader.u32();
  const count = reader.u8();
  const name = printable(reader.text(MAX_NAME_BYTES), MAX_NAME_BYTES);
  try {
    checkRange("number of models", count, 1, MAX_MODELS);
    const models = Array.from({ length: count }, () => takeOffer(reader));
    return { name, models, sequence };
  } catch (error) {
    if (error instanceof InputError)
      throw new WireError(`an introduction is malformed: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Whether the sender of a message of {@link RECORDING_KIND} records; WireError for a short one. */
export function decodeRecording(data: Uint8Array): boolean {
  const reader = new Reader(data, "a message about a recording");
  reader.u8();
  return reader.u8() !== 0;
}
