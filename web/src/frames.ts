/** Frames of speech on their way: what protocol, sending and playout hand to each other. */

/** The indices of some frames: one array of bytes for each, all of one length, which tells the rate. */
export type Indices = readonly Uint8Array[];

/** Consecutive frames of one rate, on their way out or in. */
export interface AudioFrames {
  /** Number of the first frame among those meant to be sent, modulo 2**32. */
  readonly sequence: number;
  /** Number of the first frame among those captured, modulo 2**32. */
  readonly timestamp: number;
  /** Of 1 to 16 frames. */
  readonly indices: Indices;
  /** The first frame begins a talk spurt. */
  readonly start: boolean;
  /** The last frame ends a talk spurt. */
  readonly end: boolean;
  /** A keep-alive inside silence; its sound is the background noise. */
  readonly dtx: boolean;
  /** Sent before, at a higher rate; stands in for what was lost of that. */
  readonly isCopy: boolean;
}
