/**
 * From received messages to sound: joins jitter buffer, target delay, stretching and concealment.
 *
 * One frame at a time, {@link Playout.pull} decides what to play:
 *
 *                      end of spurt, pause in the timestamps, or 160 ms with nothing
 *                   .------------------------------------------------------------.
 *                   |                                                            v
 *     .----------------------------.                               .--------------------------.
 *     | PLAYING                    |                               | PAUSED                   |
 *     | next frame here: decode,   |                               | comfort noise until the  |
 *     |   stretch if off target    |                               | oldest frame held is due |
 *     | missing, later ones here:  |                               '--------------------------'
 *     |   conceal, go on           |                                             |
 *     | nothing here (underrun):   |<--------------------------------------------'
 *     |   conceal, wait            |       due: base + timestamp + target delay
 *     '----------------------------'
 *
 * An underrun waits, so nothing that TCP merely holds up is lost; the delay grows meanwhile. A
 * small excess is stretched away afterwards. One above `skipMs` is a stall: the oldest frames are
 * skipped, as far as the buffer then still holds the target delay.
 */
import { InputError } from "../errors";
import type { AudioFrames } from "../frames";
import { concatenate, FRAME_SAMPLES, SAMPLE_RATE } from "../pcm";
import { roundHalfEven } from "../rounding";
import { JitterBuffer, Unwrapper, type Frame } from "./buffer";
import { PullClock } from "./clock";
import { DelayEstimator } from "./delay";
import { DriftEstimator } from "./drift";
import { playoutOptions, type PlayoutOptions } from "./options";
import { Output } from "./output";
import { Pauses, type Decoder } from "./pauses";
import { PlayoutCounts, report, type OutsideDelays } from "./report";
import { DelayHistogram, type PlayoutStats } from "./stats";
import { accelerate, expand } from "./stretch";
import { StretchController } from "./stretch_control";

const FRAME_S = FRAME_SAMPLES / SAMPLE_RATE;
const RANGE = 27_000; // frames either way that numbers may jump within a stream: six minutes
const MIX_SAMPLES = 120; // 5 ms from noise to speech
const MIN_PAUSE_SAMPLES = 60; // a spurt due within 2.5 ms begins at once
const LEAD_DECAY = 0.999;

/** What the playout cannot know by itself, in milliseconds. */
export interface KnownDelays {
  /** One-way delay of the network, half of the least round trip. */
  readonly networkMs?: number;
  /** Latency of the sound devices. */
  readonly deviceMs?: number;
  /** Delay of the voice processing at the speaking end. */
  readonly processingMs?: number;
}

/**
 * Receiving side of a call, without a clock and without threads.
 *
 * {@link put} and {@link pull} may be called in any order; both take `now` in seconds of the same
 * monotonic clock.
 */
export class Playout {
  readonly options: PlayoutOptions;
  readonly #buffer: JitterBuffer;
  readonly #delay: DelayEstimator;
  readonly #senderDrift = new DriftEstimator();
  readonly #speakerDrift = new DriftEstimator();
  readonly #clock = new PullClock(SAMPLE_RATE);
  readonly #pauses: Pauses;
  readonly #delays = new DelayHistogram();
  readonly #fadeAfter: number;
  readonly #fadeFrames: number;
  readonly #output = new Output();
  readonly #counts = new PlayoutCounts();
  #pulled = 0;
  #leadIn: number | undefined;
  #leadS = 0; // how long before it sounds a frame is asked for, at most
  #seqs = new Unwrapper();
  #timestamps = new Unwrapper();
  #stray: number | undefined; // where a stream that fits nowhere would go on
  #isPlaying = false;
  #unsent = 0; // timestamp minus sequence number: grows by every pause
  #gap = 0; // concealed frames in a row
  #waited = 0; // of which while the buffer was empty
  #stretchControl = new StretchController();
  #actualS = 0;

  /** `decoder` is of the sender's codec, freshly reset. */
  constructor(decoder: Decoder, options: Partial<PlayoutOptions> = {}) {
    this.options = playoutOptions(options);
    this.#buffer = new JitterBuffer(this.options.capacityFrames);
    this.#delay = new DelayEstimator(FRAME_S, {
      minimumMs: this.options.minimumDelayMs,
      maximumMs: this.options.maximumDelayMs,
      startMs: this.options.startDelayMs,
    });
    this.#pauses = new Pauses(decoder, this.options.seed);
    this.#fadeAfter = roundHalfEven((this.options.fadeAfterMs * 1e-3) / FRAME_S);
    this.#fadeFrames = Math.max(1, roundHalfEven((this.options.fadeMs * 1e-3) / FRAME_S));
  }

  /**
   * Makes ready for a sender that starts anew; keeps the counts and what is known of noise and
   * jitter. Not needed when a link breaks and the same stream goes on.
   */
  reset(): void {
    this.#buffer.clear();
    this.#delay.rebase();
    this.#senderDrift.reset();
    this.#counts.restarts++;
    this.#seqs = new Unwrapper();
    this.#timestamps = new Unwrapper();
    this.#stray = undefined;
    this.#isPlaying = false;
    this.#unsent = this.#gap = this.#waited = 0;
    this.#pauses.restart();
    this.#stretchControl = new StretchController();
    this.#actualS = 0;
  }

  // -- network side ------------------------------------------------------------------------------

  /**
   * Takes one message's frames, at least one, that arrived at `now` in seconds.
   * Throws InputError for no frames, or numbers that do not fit in 32 bits.
   */
  put(frames: AudioFrames, now: number): void {
    const { indices } = frames;
    if (indices.length === 0) throw new InputError("a message holds no frames, expected 1 to 16");
    if (!this.#isInStream(frames.sequence, indices.length)) return;
    if (frames.isCopy) {
      this.#putCopy(frames, now);
      return;
    }
    const first = this.#seqs.unwrap(frames.sequence);
    const sent = this.#timestamps.unwrap(frames.timestamp);
    const last = indices.length - 1;
    if (!frames.dtx) {
      // a keep-alive is late by the sender's pre-roll, which is no jitter
      this.#delay.put(sent + last, indices.length, now, frames.start);
      this.#senderDrift.put((sent + last) * FRAME_S, now);
      this.#delay.skew = -1e-6 * this.#senderDrift.ppm;
    }
    indices.forEach((frame, index) =>
      this.#buffer.put({
        seq: first + index,
        timestampFrames: sent + index,
        indices: frame,
        arrival: now,
        end: frames.end && index === last,
        dtx: frames.dtx,
        isCopy: false,
      }),
    );
  }

  #putCopy({ sequence, timestamp, indices }: AudioFrames, now: number): void {
    const first = this.#seqs.peek(sequence);
    const sent = this.#timestamps.peek(timestamp);
    const missing = indices.filter((frame, index) =>
      this.#buffer.put({
        seq: first + index,
        timestampFrames: sent + index,
        indices: frame,
        arrival: now,
        end: false,
        dtx: false,
        isCopy: true,
      }),
    );
    if (missing.length > 0) this.#delay.repaired(indices.length, now);
  }

  /** Whether `seq` goes on with the stream; two that agree elsewhere begin a new one. */
  #isInStream(seq: number, frames: number): boolean {
    const expected = this.#buffer.nextSeq;
    if (expected === undefined && this.#buffer.size === 0) return true;
    const at = this.#seqs.peek(seq);
    if (Math.abs(at - (expected ?? at)) <= RANGE) {
      this.#stray = undefined;
      return true;
    }
    if (this.#stray !== undefined && this.#stray <= at && at - this.#stray <= RANGE) {
      this.reset();
      return true;
    }
    this.#stray = at + frames;
    this.#counts.outOfRange += frames;
    return false;
  }

  // -- speaker side ------------------------------------------------------------------------------

  /** The next `samples` of sound, for playing at `now`. */
  pull(now: number, samples: number): Float32Array<ArrayBuffer> {
    const time = this.#clock.pull(now, samples);
    this.#speakerDrift.put(this.#pulled / SAMPLE_RATE, now);
    while (this.#output.length < samples) {
      const ahead = this.#output.length / SAMPLE_RATE;
      this.#leadS = Math.max(ahead, this.#leadS * LEAD_DECAY);
      this.#step(time + ahead);
    }
    this.#pulled += samples;
    return this.#output.pull(samples);
  }

  /** The delay to play at, in seconds: packetisation, jitter and the speaker's blocks. */
  get targetDelayS(): number {
    return this.#delay.targetS + this.#leadS;
  }

  /** Emits the next piece of sound, which begins at `time`. */
  #step(time: number): void {
    for (;;) {
      if (!this.#isPlaying && !(this.#resume(time))) return;
      this.#skipStall(time);
      const frame = this.#nextFrame(time);
      if (frame === undefined) return this.#conceal();
      if (!frame.dtx && frame.timestampFrames <= this.#timestamp()) return this.#play(frame, time);
      this.#pause(true);
    }
  }

  /** The frame to play now, past those that are lost; undefined where a loss is to be concealed. */
  #nextFrame(time: number): Frame | undefined {
    for (;;) {
      const frame = this.#buffer.peek();
      if (frame !== undefined) return frame;
      if (this.#buffer.size === 0) {
        if (this.#waited === 0) this.#counts.underruns++;
        this.#waited++;
        return undefined;
      }
      // Lost, unless an underrun has already stood in for it.
      const excess = this.#delay.delayS(this.#timestamp(), time) - this.targetDelayS;
      const isCovered = this.#waited > 0 && excess > 0;
      this.#buffer.advance(this.#nextSeq() + 1);
      if (!isCovered) return undefined;
      this.#waited--;
    }
  }

  #nextSeq(): number {
    const { nextSeq } = this.#buffer;
    if (nextSeq === undefined) throw new Error("nothing is being played");
    return nextSeq;
  }

  #timestamp(): number {
    return this.#nextSeq() + this.#unsent;
  }

  // -- pauses ------------------------------------------------------------------------------------

  #pause(hasTail: boolean): void {
    this.#isPlaying = false;
    this.#pauses.begin(hasTail);
    this.#gap = this.#waited = 0;
    this.#stretchControl.stop();
  }

  /** Begins to play if it is time; otherwise emits a piece of the pause. */
  #resume(time: number): boolean {
    for (;;) {
      const first = this.#buffer.first();
      if (first === undefined) {
        this.#output.put(this.#pauses.generate(FRAME_SAMPLES));
        return false;
      }
      const delay = this.#delay.delayS(first.timestampFrames, time);
      const samples = roundHalfEven((this.targetDelayS - delay) * SAMPLE_RATE);
      if (samples >= MIN_PAUSE_SAMPLES) {
        this.#output.put(this.#pauses.generate(Math.min(samples, FRAME_SAMPLES)));
        return false;
      }
      this.#buffer.advance(first.seq);
      this.#unsent = first.timestampFrames - first.seq;
      if (!first.dtx) break;
      this.#buffer.take();
      this.#counts.keepalives++;
    }
    this.#isPlaying = true;
    this.#pauses.end();
    return true;
  }

  // -- losses ------------------------------------------------------------------------------------

  #conceal(): void {
    this.#gap++;
    const over = this.#gap - this.#fadeAfter;
    const level = Math.min(Math.max(1 - over / this.#fadeFrames, 0), 1);
    const goal = Math.min(this.#pauses.gain, level);
    this.#counts.concealed++;
    const pcm = this.#pauses.decode(null);
    this.#output.put(this.#pauses.fade(pcm, goal, FRAME_SAMPLES));
    if (goal === 0) this.#pause(false);
  }

  /** Drops the oldest frames when the delay is far off and the buffer holds plenty. */
  #skipStall(time: number): void {
    const target = this.targetDelayS;
    const excess = this.#delay.delayS(this.#timestamp(), time) - target;
    if (excess <= this.options.skipMs * 1e-3) return;
    const spare = this.#buffer.spanFrames - Math.ceil(target / FRAME_S);
    const frames = Math.min(Math.floor(excess / FRAME_S), spare);
    if (frames > 0) {
      this.#buffer.advance(this.#nextSeq() + frames);
      this.#waited = 0;
    }
  }

  // -- frames ------------------------------------------------------------------------------------

  #play(frame: Frame, time: number): void {
    this.#leadIn ??= this.#pulled + this.#output.length;
    this.#actualS = this.#delay.delayS(frame.timestampFrames, time);
    this.#delays.add(this.#actualS);
    this.#gap = this.#waited = 0;
    const taken = this.#take();
    let { pcm } = taken;
    if (this.#pauses.gain < 1) pcm = this.#pauses.fade(pcm, 1, MIX_SAMPLES);
    else if (this.options.stretch && this.#isPlaying) pcm = this.#stretched(pcm, taken.isQuiet);
    this.#output.put(pcm);
  }

  #take(): { pcm: Float32Array; isQuiet: boolean } {
    const frame = this.#buffer.take();
    this.#unsent = frame.timestampFrames - frame.seq;
    const pcm = this.#pauses.decode(frame.indices, frame.timestampFrames);
    this.#counts.played++;
    if (frame.end) this.#pause(true);
    return { pcm, isQuiet: this.#pauses.observe(pcm) };
  }

  /** `pcm`, a period shorter or longer if the delay has left its band. */
  #stretched(pcm: Float32Array, isQuiet: boolean): Float32Array {
    const target = this.targetDelayS;
    // A sender that falls behind real time makes everything late: only what is held is delay.
    const heldS = (1 + this.#buffer.spanFrames) * FRAME_S;
    const excess = Math.min(this.#actualS - target, heldS);
    const direction = this.#stretchControl.direction(excess, target, FRAME_SAMPLES);
    if (direction === 0) return pcm;
    if (direction > 0) {
      const longer = expand(this.#output.history, pcm, isQuiet);
      const added = longer.length - pcm.length;
      this.#counts.expanded += added;
      this.#stretchControl.stretched(added, isQuiet);
      return longer;
    }
    const following = this.#buffer.peek();
    // Taking the second frame early must not empty the buffer.
    if (following === undefined || following.dtx || this.#buffer.peek(1) === undefined) return pcm;
    if (following.timestampFrames !== this.#timestamp()) return pcm;
    const second = this.#take();
    const both = concatenate([pcm, second.pcm]);
    const areQuiet = isQuiet && second.isQuiet;
    const shorter = accelerate(both, areQuiet);
    const removed = both.length - shorter.length;
    this.#counts.accelerated += removed;
    this.#stretchControl.stretched(removed, areQuiet);
    return shorter;
  }

  // -- report ------------------------------------------------------------------------------------

  /** Frames decoded as they were received. */
  get played(): number {
    return this.#counts.played;
  }

  /** Whether no frame waits to be played, and nothing of the last one is to come. */
  get isEmpty(): boolean {
    return this.#buffer.size === 0 && !this.#pauses.hasTail;
  }

  /** What happened so far. */
  stats({ networkMs = 0, deviceMs = 0, processingMs = 0 }: KnownDelays = {}): PlayoutStats {
    const codecMs = (1e3 * (FRAME_SAMPLES + this.#pauses.delaySamples)) / SAMPLE_RATE;
    const outside: OutsideDelays = { networkMs, deviceMs, processingMs, codecMs };
    return report(this.#counts, this.#buffer, this.#delay, this.#delays, outside, {
      noiseSamples: this.#pauses.noiseSamples,
      targetS: this.targetDelayS,
      actualS: this.#actualS,
      driftPpm: this.#senderDrift.ppm - this.#speakerDrift.ppm,
      leadInSamples: this.#leadIn,
    });
  }
}
