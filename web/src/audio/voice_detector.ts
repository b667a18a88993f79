/** A voice detector of discontinuous transmission, fed one 24 kHz frame at a time. */

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
