/** One of the others in a room, as this side knows them. */

import type { AudioFrames } from "../frames";
import { type AudioBody, AudioReader, parseAudio } from "../protocol/audio";
import { type Endpoint, type LocalModel, directionWith, sameModel } from "../protocol/endpoint";
import { TokenBucket } from "../protocol/limits";
import { type DirectionKeys, type Opened, Opener } from "../protocol/sealing";
import { SequenceWindow } from "../protocol/sequence";
import type { Intro } from "./intro";

const FRAMES_PER_S = 100;
const FRAMES_BURST = 1500;
// As many notes and mutes as a person can read.
const NOTES_PER_S = 1;
const NOTES_BURST = 5;

/** Frames of a member, and the body that they came in. */
export interface MemberFrames {
  readonly frames: AudioFrames;
  readonly body: AudioBody;
  readonly model: LocalModel;
}

/** Opens and reads what one member sends. */
export class Member {
  /** Whether it has said that it records. */
  isRecording = false;
  /** What bounds its notes and mutes. */
  readonly notes: TokenBucket;
  readonly #keys: DirectionKeys;
  readonly #endpoint: Endpoint;
  readonly #frames: TokenBucket;
  readonly #window = new SequenceWindow();
  #intro: Intro | null = null;
  #control: Opener | null = null;
  #audible: { readonly model: LocalModel; opener: Opener; reader: AudioReader } | null = null;

  /**
   * @param keys the member's
   * @param endpoint what this side can decode
   * @param now seconds, from any monotonic origin
   */
  constructor(keys: DirectionKeys, endpoint: Endpoint, now: number) {
    this.#keys = keys;
    this.#endpoint = endpoint;
    this.notes = new TokenBucket(NOTES_PER_S, NOTES_BURST, now);
    this.#frames = new TokenBucket(FRAMES_PER_S, FRAMES_BURST, now);
  }

  /** What the member has said of itself; null before. */
  get intro(): Intro | null {
    return this.#intro;
  }

  /** What its audio is decoded with; null before, or where this side has it not. */
  get model(): LocalModel | null {
    return this.#audible?.model ?? null;
  }

  /** Open a control message; SealError for what is not the member's, or came before. */
  openControl(counter: number, sealed: Uint8Array): Opened {
    const opener = this.#control ?? new Opener(this.#keys, 0, counter);
    const opened = opener.open(sealed);
    this.#control = opener; // only once the hint has proved right
    return opened;
  }

  /** Take in what the member says of itself; what was known of its audio stays. */
  introduce(intro: Intro): void {
    const isFirst = this.#intro === null;
    this.#intro = intro;
    const sending = intro.models[0];
    const model = this.#endpoint.models.find((each) => sending && sameModel(each, sending));
    if (!isFirst || sending === undefined || model === undefined) return;
    this.#audible = {
      model,
      opener: new Opener(this.#keys, intro.sequence),
      reader: new AudioReader(directionWith(model, sending), intro.sequence),
    };
    this.#window.restart(intro.sequence);
  }

  /**
   * Frames of a sealed message; null: its introduction has not come, this side has not its model,
   * or they are one too many or came before.
   *
   * @throws SealError for what is not the member's, WireError for what does not fit the model
   */
  readAudio(sealed: Uint8Array, now: number): MemberFrames | null {
    const audible = this.#audible;
    if (audible === null) return null;
    const opened = audible.opener.open(sealed);
    const body = parseAudio(opened.body);
    if (!this.#frames.take(body.toc.frames, now)) return null;
    const frames = audible.reader.read(opened.sequence, body);
    if (this.#window.accept(opened.sequence, body.toc.frames) !== "new") return null;
    return { frames, body, model: audible.model };
  }
}
