/** From the codec's frames to the loudspeaker's blocks. */
import { FRAME_SAMPLES, SAMPLE_RATE } from "../pcm";
import { Resampler } from "./resample";
import { RingBuffer } from "./ring";

// A longer stall of the worker loses sound; a longer buffer would keep old sound.
const RING_S = 0.5;
const LEAST_MARGIN_MS = 10;
const MOST_MARGIN_MS = 80;
const GROW_MS = 5;
const SHRINK_MS = 1;
const SHRINK_AFTER_S = 20;
const FADE_MS = 2.5;

/** What a loudspeaker did so far. */
export interface PlaybackReport {
  /** Times that it had nothing to play. */
  readonly underruns: number;
  /** Milliseconds that it was silent for it. */
  readonly missingMs: number;
  /** Milliseconds of sound that did not fit in its buffer. */
  readonly droppedMs: number;
  /** The buffer beyond one block that is being kept, in milliseconds. */
  readonly marginMs: number;
  /** Sound that waits here, from the codec's frame to the block, in milliseconds. */
  readonly heldMs: number;
}

/**
 * Gives a sound card the blocks it wants, at its rate, and says when it needs another frame of 320
 * samples at 24 kHz: as late as possible, when less is held and on its way than one block plus a
 * margin. The margin covers the delays of whoever makes the frames: it grows by 5 ms (up to 80)
 * when there was nothing to play, and shrinks by 1 ms in every 20 s in which there was.
 *
 * Where sound begins or ends it fades within 2.5 ms.
 */
export class Playback {
  readonly #sampleRate: number;
  readonly #resampler: Resampler;
  readonly #ring: RingBuffer;
  readonly #step: number; // of the gain, from one sample to the next
  #blockSamples = 0;
  #frameSamples: number; // as many of the sound card's samples as a frame becomes
  #awaitedFrames = 0;
  #gain = 0;
  #last = 0; // the latest sample before the gain
  #hasPlayed = false;
  #isDry = false;
  #marginMs = LEAST_MARGIN_MS;
  #steadySamples = 0;
  #underruns = 0;
  #missingSamples = 0;
  #droppedSamples = 0;

  constructor(sampleRate: number) {
    this.#sampleRate = sampleRate;
    this.#resampler = new Resampler(SAMPLE_RATE, sampleRate);
    this.#ring = new RingBuffer(Math.round(RING_S * sampleRate));
    this.#step = 1e3 / (FADE_MS * sampleRate);
    this.#frameSamples = (FRAME_SAMPLES * sampleRate) / SAMPLE_RATE;
  }

  /** How many frames to ask for now; they count as being on their way. */
  wanted(): number {
    const margin = (this.#marginMs * this.#sampleRate) / 1e3;
    const held = this.#ring.length + this.#awaitedFrames * this.#frameSamples;
    const lacking = this.#blockSamples + margin - held;
    const frames = Math.max(0, Math.ceil(lacking / this.#frameSamples));
    this.#awaitedFrames += frames;
    return frames;
  }

  /** What was asked for will not come: whoever makes the frames was replaced. */
  forget(): void {
    this.#awaitedFrames = 0;
  }

  /** Takes a frame. */
  write(frame: Float32Array): void {
    this.#awaitedFrames = Math.max(0, this.#awaitedFrames - 1);
    const pcm = this.#resampler.push(frame);
    this.#droppedSamples += pcm.length - this.#ring.offer(pcm);
  }

  /** Fills the sound card's next block. */
  fill(block: Float32Array): void {
    this.#blockSamples = Math.max(this.#blockSamples, block.length);
    const read = this.#ring.readInto(block);
    this.#hasPlayed ||= read > 0;
    if (this.#hasPlayed) this.#count(block.length, block.length - read);
    for (let n = 0; n < block.length; n++) {
      const goal = n < read ? 1 : 0;
      if (n < read) this.#last = block[n]!;
      if (this.#gain < goal) this.#gain = Math.min(goal, this.#gain + this.#step);
      else if (this.#gain > goal) this.#gain = Math.max(goal, this.#gain - this.#step);
      block[n] = this.#last * this.#gain;
    }
  }

  /** What happened so far. */
  report(): PlaybackReport {
    const toMs = (samples: number): number => (1e3 * samples) / this.#sampleRate;
    return {
      underruns: this.#underruns,
      missingMs: toMs(this.#missingSamples),
      droppedMs: toMs(this.#droppedSamples),
      marginMs: this.#marginMs,
      heldMs: toMs(this.#ring.length) + this.#resampler.delayMs,
    };
  }

  #count(samples: number, missing: number): void {
    this.#missingSamples += missing;
    this.#steadySamples += samples;
    if (missing > 0 && !this.#isDry) {
      this.#underruns++;
      this.#marginMs = Math.min(this.#marginMs + GROW_MS, MOST_MARGIN_MS);
      this.#steadySamples = 0;
    } else if (this.#steadySamples > SHRINK_AFTER_S * this.#sampleRate) {
      this.#marginMs = Math.max(this.#marginMs - SHRINK_MS, LEAST_MARGIN_MS);
      this.#steadySamples = 0;
    }
    this.#isDry = missing > 0;
  }
}
