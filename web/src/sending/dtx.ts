/**
 * Discontinuous transmission, sending side: leave silence out without clipping word beginnings.
 *
 *     detector   . . . . V V V . . . . . . . . . . . . . .
 *     sent       . p p p V V V h h h h . . . . k . . . . k     p pre-roll, h hangover, k keep-alive
 *                  ^start            ^end      ^dtx
 *
 * A detector needs a few frames of a word before it believes it, so the last frames are kept back
 * and go first when it does. They arrive in one burst; the receiver, which plays noise at that
 * moment, places them by their timestamps.
 */
import { InputError } from "../errors";
import { add } from "../protocol/sequence";

/** Lengths in frames of 13.3 ms. */
export interface DtxOptions {
  /** Frames sent from before the detector's first voiced one, 0 to 64. */
  readonly prerollFrames: number;
  /** Unvoiced frames sent after the last voiced one, at least 1. */
  readonly hangoverFrames: number;
  /** In silence, one frame of every so many is sent, at least 2. */
  readonly keepaliveFrames: number;
}

export const DEFAULT_DTX: DtxOptions = {
  prerollFrames: 8,
  hangoverFrames: 30,
  keepaliveFrames: 30,
};

/** A key says when there is a voice, and nothing is sent otherwise. */
export const PUSH_TO_TALK: DtxOptions = {
  prerollFrames: 0,
  hangoverFrames: 1,
  keepaliveFrames: 2 ** 31,
};

/** A frame that is to be sent. */
export interface SpurtFrame {
  /** Number of the frame among those captured, modulo 2**32. */
  readonly timestamp: number;
  /** What the encoder made of it. */
  readonly indices: Uint8Array;
  /** As in {@link AudioFrames}. */
  readonly start: boolean;
  readonly end: boolean;
  readonly dtx: boolean;
}

/** Chooses the frames to send; with `options` null it sends all of them. */
export class Dtx {
  #options: DtxOptions | null;
  #timestamp: number;
  #held: SpurtFrame[] = [];
  #hangoverLeft = 0;
  #silentFrames = 0;
  #inSpurt = false;

  /** @throws InputError for lengths out of range */
  constructor(options: DtxOptions | null, timestamp = 0) {
    if (options !== null) check(options);
    this.#options = options;
    this.#timestamp = timestamp;
  }

  /** Timestamp of the next frame. */
  get timestamp(): number {
    return this.#timestamp;
  }

  /** Whether a talk spurt is being sent. */
  get inSpurt(): boolean {
    return this.#inSpurt;
  }

  /**
   * Go on with other options; a talk spurt that runs is not cut.
   *
   * @throws InputError for lengths out of range
   */
  setOptions(options: DtxOptions | null): void {
    if (options !== null) check(options);
    this.#options = options;
    this.#held = [];
    this.#hangoverLeft = options?.hangoverFrames ?? 0;
  }

  /**
   * The next captured frame; the frames to send now, oldest first.
   *
   * @param indices what the encoder made of it
   * @param voiced the detector's word on it, ignored when every frame is sent
   */
  push(indices: Uint8Array, voiced: boolean): SpurtFrame[] {
    const timestamp = this.#timestamp;
    this.#timestamp = add(timestamp, 1);
    const frame = { timestamp, indices, start: false, end: false, dtx: false };
    const options = this.#options;
    if (options === null) {
      const start = !this.#inSpurt;
      this.#inSpurt = true;
      return [{ ...frame, start }];
    }
    if (voiced) {
      this.#hangoverLeft = options.hangoverFrames;
      if (this.#inSpurt) return [frame];
      this.#inSpurt = true;
      const [first = frame, ...others] = [...this.#held, frame];
      this.#held = [];
      return [{ ...first, start: true }, ...others];
    }
    if (this.#inSpurt) {
      this.#hangoverLeft -= 1;
      this.#inSpurt = this.#hangoverLeft > 0;
      this.#silentFrames = 0;
      return [{ ...frame, end: !this.#inSpurt }];
    }
    this.#held.push(frame);
    if (this.#held.length <= options.prerollFrames) return [];
    // The keep-alive is the frame that leaves the pre-roll: a word that begins now has all of its
    // pre-roll still, and timestamps never run backwards.
    const oldest = this.#held.shift();
    this.#silentFrames += 1;
    if (oldest === undefined || this.#silentFrames % options.keepaliveFrames) return [];
    return [{ ...oldest, dtx: true }];
  }
}

function check({ prerollFrames, hangoverFrames, keepaliveFrames }: DtxOptions): void {
  if (!(prerollFrames >= 0 && prerollFrames <= 64))
    throw new InputError(`prerollFrames is ${prerollFrames}, expected 0 to 64`);
  if (!(hangoverFrames >= 1))
    throw new InputError(`hangoverFrames is ${hangoverFrames}, expected at least 1`);
  if (!(keepaliveFrames >= 2))
    throw new InputError(`keepaliveFrames is ${keepaliveFrames}, expected at least 2`);
}
