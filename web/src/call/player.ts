/** Answers the loudspeaker: as it asks, frames are decoded, mixed and posted to it. */
import type { PlaybackRequest } from "../audio/messages";
import { LevelMeter } from "../audio/meters";
import type { PlaybackReport } from "../audio/playback";
import { FRAME_SAMPLES } from "../pcm";
import type { PlayoutStats } from "../playout";
import type { Mixer } from "./mixer";

const STATS_FRAMES = 15; // five times per second
const MOST_FRAMES = 8; // of one request; a worklet asks for one or two
// What a playout holds behind its buffer: the decoder's tail, a piece of a frame.
const AFTER_PULLS = 3;

/** What is known of the delays outside of the playout, in milliseconds. */
export interface OutsideDelays {
  /** One way through the network, half of the least round trip. */
  readonly networkMs: number;
  /** From the microphone to the worklet, at this end. */
  readonly sourceMs: number;
  /** From the worklet to the loudspeaker. */
  readonly sinkMs: number;
}

/** Plays a mixer's sound through the playback worklet at the other end of a port. */
export class Player {
  /** Level of what is played. */
  readonly meter = new LevelMeter();
  /** When the first received frame was handed over, on the clock; null before. */
  firstSoundS: number | null = null;
  /** Of the playout, some moments old. */
  stats: PlayoutStats;
  /** Of the playback worklet, as of its last request. */
  playback: PlaybackReport = { underruns: 0, missingMs: 0, droppedMs: 0, marginMs: 0, heldMs: 0 };
  readonly #mixer: Mixer;
  readonly #clock: () => number;
  #port: MessagePort | undefined;
  #delays: OutsideDelays = { networkMs: 0, sourceMs: 0, sinkMs: 0 };
  #pulls = 0;
  #pullsAfter = 0; // since there was something to play

  /** `clock` reads seconds; frames are put into the mixer with times of the same clock. */
  constructor(mixer: Mixer, clock: () => number = () => performance.now() / 1e3) {
    this.#mixer = mixer;
    this.#clock = clock;
    this.stats = mixer.stats();
  }

  /** Plays through this port from now on; one that was attached before is closed. */
  attach(port: MessagePort): void {
    this.stop();
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<PlaybackRequest>) => {
      for (const pcm of this.answer(data)) port.postMessage(pcm, [pcm.buffer]);
    };
  }

  /** Plays no more. */
  stop(): void {
    this.#port?.close();
    this.#port = undefined;
  }

  /** Tells what is known of the delays outside of the playout. */
  setDelays(delays: OutsideDelays): void {
    this.#delays = delays;
  }

  /** Whether all that had come has been handed over, its end included. */
  get isDrained(): boolean {
    return this.#pullsAfter > AFTER_PULLS;
  }

  /** The frames asked for, 320 samples each; they are the caller's. */
  answer({ frames, report }: PlaybackRequest): Float32Array<ArrayBuffer>[] {
    this.playback = report;
    return Array.from({ length: Math.min(frames, MOST_FRAMES) }, () => this.#pull());
  }

  #pull(): Float32Array<ArrayBuffer> {
    const now = this.#clock();
    const pcm = this.#mixer.pull(now, FRAME_SAMPLES);
    this.meter.push(pcm);
    if (this.#mixer.hasPlayed) this.firstSoundS ??= now;
    this.#pullsAfter = this.#mixer.isEmpty ? this.#pullsAfter + 1 : 0;
    if (++this.#pulls % STATS_FRAMES === 0) {
      const { networkMs, sourceMs, sinkMs } = this.#delays;
      const deviceMs = sourceMs + sinkMs + this.playback.heldMs;
      this.stats = this.#mixer.stats({ networkMs, deviceMs });
    }
    return pcm;
  }
}
