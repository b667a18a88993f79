/** What a caller keeps of a call while its connections come and go. */

import { randomBytes } from "@noble/hashes/utils.js";
import { SequenceWindow, add } from "./sequence";

/** How long both sides keep a call whose connection broke, in seconds. */
export const DEFAULT_HOLD_S = 60;

/** After so many seconds of nothing a user is told. */
export const SILENT_S = 3;

const NOTHING: Uint8Array = new Uint8Array(0);

export class Call {
  /** 16 random bytes. */
  readonly callId: Uint8Array;
  /** The sequence numbers received. */
  readonly window = new SequenceWindow();
  /** Sequence number of the next frame meant to be sent. */
  nextSequence = 0;
  /** Connections that have carried this call; only the last one still does. */
  connections = 0;
  #resumption = NOTHING;

  constructor(callId: Uint8Array = randomBytes(16)) {
    this.callId = callId;
  }

  /**
   * 32 secret bytes of the two sides, by which they know each other again; empty before the other
   * side has shown that it has them too.
   */
  get resumption(): Uint8Array {
    return this.#resumption;
  }

  /** Number for one more frame. */
  takeSequence(): number {
    const sequence = this.nextSequence;
    this.nextSequence = add(sequence, 1);
    return sequence;
  }

  /** The call's secret, which the server's auth has shown that it has too. */
  begin(resumption: Uint8Array): void {
    this.#resumption = resumption;
  }
}
