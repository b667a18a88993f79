/**
 * The voice detector of discontinuous transmission, fed one 24 kHz frame at a time.
 *
 * WebRTC's detector alone misses the soft beginnings of 8 % of words in clean speech, a level above
 * the background alone misses voiced speech in noise; together they miss the fewest
 * (docs/reference/protocol.md, Silence).
 */
import { concatenate } from "../pcm";
import { VAD_BLOCK_SAMPLES, WebRtcVad } from "./webrtc_vad";

const QUIETEST_DB = -75;
const SILENT_DB = -65;
const RISE_DB = 0.03; // per frame: 2.2 dB per second
const FALL = 0.2;

/** Says whether a frame stands out of the background, whose level it follows. */
export class LevelDetector {
  readonly #aboveDb: number;
  #backgroundDb: number | undefined;

  /** `aboveDb` is how far above the background a frame must be. */
  constructor(aboveDb = 6) {
    this.#aboveDb = aboveDb;
  }

  /** Forgets the frames before. */
  reset(): void {
    this.#backgroundDb = undefined;
  }

  /** Judges the next frame of 320 samples, -1 to 1. */
  isVoice(pcm: Float32Array): boolean {
    const power = pcm.reduce((sum, sample) => sum + sample * sample, 0) / pcm.length;
    const levelDb = Math.max(10 * Math.log10(power + 1e-12), QUIETEST_DB);
    this.#backgroundDb ??= levelDb;
    // Down fast, up slowly: speech has gaps, and must not become its own background.
    const riseDb = levelDb - this.#backgroundDb;
    this.#backgroundDb += riseDb > 0 ? Math.min(RISE_DB, riseDb) : FALL * riseDb;
    return levelDb > Math.max(SILENT_DB, this.#backgroundDb + this.#aboveDb);
  }
}

/** Says whether a frame holds voice: WebRTC's detector does, or it stands out in level. */
export class VoiceDetector {
  readonly #level = new LevelDetector();
  readonly #vad: WebRtcVad;
  #resampler = new CubicDecimator();
  #pending: Float32Array = new Float32Array(0);
  #isVoice = false;

  /** `mode` is of WebRTC's detector, 0 (calls most sounds voice) to 3 (misses most voice). */
  constructor(mode = 0) {
    this.#vad = new WebRtcVad(mode);
  }

  /** Forgets the frames before. */
  reset(): void {
    this.#level.reset();
    this.#vad.reset();
    this.#resampler = new CubicDecimator();
    this.#pending = new Float32Array(0);
    this.#isVoice = false;
  }

  /**
   * Judges the next frame of 320 samples, -1 to 1. A frame is 13.3 ms and a block 10 ms: one or two
   * blocks end within a frame, and one that holds voice is enough.
   */
  isVoice(pcm: Float32Array): boolean {
    this.#pending = concatenate([this.#pending, this.#resampler.push(pcm)]);
    const votes: boolean[] = [];
    while (this.#pending.length >= VAD_BLOCK_SAMPLES) {
      const block = this.#pending.subarray(0, VAD_BLOCK_SAMPLES);
      this.#pending = this.#pending.subarray(VAD_BLOCK_SAMPLES);
      const clipped = block.map((x) => Math.min(Math.max(x * 32_768, -32_768), 32_767));
      votes.push(this.#vad.isSpeech(Int16Array.from(clipped)));
    }
    if (votes.length > 0) this.#isVoice = votes.includes(true);
    const standsOut = this.#level.isVoice(pcm);
    return this.#isVoice || standsOut;
  }
}

/**
 * 24 to 16 kHz through cubics between four samples, without delay: soxr's quality "QQ". It folds 8
 * to 12 kHz onto 4 to 8 kHz, where the detector does not look.
 */
class CubicDecimator {
  #held = new Float32Array(1); // from the sample before the next output's on
  #isBetween = false; // whether the next output lies between two samples

  push(pcm: Float32Array): Float32Array {
    const held = concatenate([this.#held, pcm]);
    const out: number[] = [];
    let at = 1;
    for (; at + 2 < held.length; this.#isBetween = !this.#isBetween) {
      const [before, here, next, after] = [held[at - 1]!, held[at]!, held[at + 1]!, held[at + 2]!];
      const even = 0.5 * (next + before) - here;
      const odd = (after - next + before - here - 4 * even) / 6;
      const half = ((odd * 0.5 + even) * 0.5 + next - here - odd - even) * 0.5;
      out.push(this.#isBetween ? half + here : here);
      at += this.#isBetween ? 2 : 1;
    }
    this.#held = held.slice(at - 1);
    return Float32Array.from(out);
  }
}
