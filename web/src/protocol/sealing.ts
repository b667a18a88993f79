/**
 * Sealed messages: what is sent after the handshake, encrypted and authenticated one by one.
 *
 *     | 1 0 or 1 1, then 14 bits of counter | ciphertext | tag: audio 4, control 8 bytes |
 *       `- stream: audio, control
 *
 * Every message opens on its own, so messages may be lost, come twice and out of order. The counter
 * of an audio message is the sequence number of its first frame, that of a control message counts
 * control messages; the tag covers all 64 bits of it. Keys differ between directions, streams and
 * connections, so no counter meets the same key twice.
 */

import { concatBytes } from "@noble/hashes/utils.js";
import { InputError, SealError } from "../errors";
import { COUNTER_BITS, ReplayWindow, unwrap } from "./replay";
import { distance } from "./sequence";
import {
  AES_128_CTR_HMAC_SHA256_32,
  AES_128_CTR_HMAC_SHA256_64,
  FrameCipher,
} from "./sframe";

export const HEADER_BYTES = 2;
const COUNTERS = 1 << COUNTER_BITS;
const SEQUENCES = 2 ** 32;

/** What a sealed message carries: the two highest bits of its first byte. */
export const Stream = { AUDIO: 0b10, CONTROL: 0b11 } as const;
export type Stream = (typeof Stream)[keyof typeof Stream];

// Audio is most of the messages: 4 bytes more would cost 0.8 of 8 kbps.
const AUDIO_SUITE = AES_128_CTR_HMAC_SHA256_32;
const CONTROL_SUITE = AES_128_CTR_HMAC_SHA256_64;
export const AUDIO_OVERHEAD_BYTES = HEADER_BYTES + AUDIO_SUITE.tagBytes;

/** Base keys of one direction of one connection, 16 bytes each. */
export interface DirectionKeys {
  readonly audio: Uint8Array;
  readonly control: Uint8Array;
}

/** A message that was opened. */
export interface Opened {
  readonly stream: Stream;
  /** Of audio the lower 32 bits are the sequence number of the first frame. */
  readonly counter: number;
  /** Sequence number of the first frame of audio, modulo 2**32. */
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** Whether a message claims to be sealed; the others are of the handshake. */
export function isSealed(data: Uint8Array): boolean {
  return ((data[0] ?? 0) & 0x80) !== 0;
}

/** Seals what one side sends. */
export class Sealer {
  readonly #audio: FrameCipher;
  readonly #control: FrameCipher;
  #audioCounter: number;
  #hasSentAudio = false;
  #nextControl = 0;

  /** `sequence`: number of the first frame that will be sent, about. */
  constructor(keys: DirectionKeys, sequence = 0) {
    this.#audio = new FrameCipher(keys.audio, AUDIO_SUITE);
    this.#control = new FrameCipher(keys.control, CONTROL_SUITE);
    // Counters of audio begin a round up, so that a frame numbered before the hello, which may be
    // among the first sent, has one too.
    this.#audioCounter = SEQUENCES + sequence;
  }

  /** Counter of the next control message. */
  get nextControl(): number {
    return this.#nextControl;
  }

  /**
   * Seal frames that begin at `sequence`.
   *
   * Throws InputError unless the sequence numbers ascend: one that comes again would reuse a nonce.
   */
  sealAudio(sequence: number, body: Uint8Array): Uint8Array {
    const before = this.#audioCounter % SEQUENCES;
    const ahead = distance(before, sequence);
    if (this.#hasSentAudio && ahead <= 0)
      throw new InputError(
        `audio from sequence number ${sequence} came to be sealed after ${before}, expected ` +
          "ascending numbers",
      );
    this.#audioCounter += ahead;
    this.#hasSentAudio = true;
    return seal(this.#audio, Stream.AUDIO, this.#audioCounter, body);
  }

  /** Seal a control message; its counter is {@link nextControl}, which then moves on. */
  sealControl(body: Uint8Array): Uint8Array {
    return seal(this.#control, Stream.CONTROL, this.#nextControl++, body);
  }
}

function seal(cipher: FrameCipher, stream: Stream, counter: number, body: Uint8Array): Uint8Array {
  const head = (stream << COUNTER_BITS) | counter % COUNTERS;
  const header = Uint8Array.of(head >> 8, head & 0xff);
  return concatBytes(header, cipher.seal(counter, header, body));
}

/** Opens what the peer sends, each message once. */
export class Opener {
  readonly #ciphers: Record<Stream, FrameCipher>;
  readonly #windows: Record<Stream, ReplayWindow>;

  /**
   * @param keys of this direction
   * @param sequence number of the first frame that will come, about
   * @param control counter of the first control message that will come, about
   */
  constructor(keys: DirectionKeys, sequence = 0, control = 0) {
    this.#ciphers = {
      [Stream.AUDIO]: new FrameCipher(keys.audio, AUDIO_SUITE),
      [Stream.CONTROL]: new FrameCipher(keys.control, CONTROL_SUITE),
    };
    this.#windows = {
      [Stream.AUDIO]: new ReplayWindow(SEQUENCES + sequence),
      [Stream.CONTROL]: new ReplayWindow(control),
    };
  }

  /**
   * Open a message from the peer, once.
   *
   * Throws SealError when it is not of this connection and direction, was changed, or was opened
   * before; nothing has then changed here.
   */
  open(data: Uint8Array): Opened {
    if (data.length < HEADER_BYTES || !isSealed(data))
      throw new SealError(`a message of ${data.length} bytes is not sealed`);
    const head = ((data[0] ?? 0) << 8) | (data[1] ?? 0);
    const stream = (head >> COUNTER_BITS) as Stream;
    const window = this.#windows[stream];
    const counter = unwrap(head % COUNTERS, window.highest + 1);
    if (counter < 0 || !window.isNew(counter))
      throw new SealError("a message came again, or too late to tell", true);
    const header = data.subarray(0, HEADER_BYTES);
    const body = this.#ciphers[stream].open(counter, header, data.subarray(HEADER_BYTES));
    window.add(counter);
    return { stream, counter, sequence: counter % SEQUENCES, body };
  }
}
