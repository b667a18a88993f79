/** What a session lets its peer do, and the token bucket that keeps it to that. */

export const MAX_MESSAGE_BYTES = 2048;

/**
 * Bounds of one session, before and after the handshake.
 *
 * The bursts let a link that was stalled for some seconds deliver its backlog at once: 20 seconds of
 * audio pass. Everything beyond is dropped and counted.
 */
export interface Limits {
  /** Seconds for the whole handshake. */
  readonly handshakeS: number;
  /** Messages accepted during the handshake. */
  readonly handshakeMessages: number;
  /** Size of one message during the handshake. */
  readonly handshakeBytes: number;
  /** Size of one message afterwards. */
  readonly messageBytes: number;
  /** Token bucket of all messages. */
  readonly messagesPerS: number;
  readonly messagesBurst: number;
  /** Token bucket of audio frames; a sender makes 75. */
  readonly audioFramesPerS: number;
  readonly audioFramesBurst: number;
  /** Malformed messages beyond these end the call. */
  readonly malformedPerS: number;
  readonly malformedBurst: number;
  /** Messages that wait in `dataToSend`. */
  readonly outgoingMessages: number;
  /** Seconds between pings, where no echo tells more. */
  readonly pingS: number;
  /** Seconds between echoes that ride on audio. */
  readonly echoS: number;
  /** Seconds after which an echo that found no audio to ride on goes alone. */
  readonly echoAloneS: number;
  /** The same for a report. */
  readonly reportAloneS: number;
  /** Seconds of nothing heard after which the link counts as broken. */
  readonly idleS: number;
}

export const DEFAULT_LIMITS: Limits = {
  handshakeS: 5,
  handshakeMessages: 8,
  handshakeBytes: 768,
  messageBytes: MAX_MESSAGE_BYTES,
  messagesPerS: 200,
  messagesBurst: 2000,
  audioFramesPerS: 100,
  audioFramesBurst: 1500,
  malformedPerS: 1,
  malformedBurst: 50,
  outgoingMessages: 256,
  pingS: 2,
  echoS: 0.1,
  echoAloneS: 0.25,
  reportAloneS: 1,
  idleS: 15,
};

/** Allows `perS` tokens per second and `burst` at once; `now` in seconds. */
export class TokenBucket {
  readonly #perS: number;
  readonly #burst: number;
  #tokens: number;
  #now: number;

  constructor(perS: number, burst: number, now: number) {
    this.#perS = perS;
    this.#burst = this.#tokens = burst;
    this.#now = now;
  }

  /** Take `tokens` if there are as many; false, and none taken, if not. */
  take(tokens: number, now: number): boolean {
    const elapsed = Math.max(0, now - this.#now);
    this.#now = Math.max(this.#now, now);
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsed * this.#perS);
    if (tokens > this.#tokens) return false;
    this.#tokens -= tokens;
    return true;
  }
}
