/**
 * Plays all versions of a sound at once and lets one be heard, so that changing over is seamless.
 */
import { SAMPLE_RATE } from "../../config";

const FADE_S = 0.01; // no click where one version gives way to another

interface Voice {
  readonly source: AudioBufferSourceNode;
  readonly gain: GainNode;
}

/** One sound in several versions of the same length, in a loop. */
export class Player {
  readonly #context: AudioContext;
  readonly #buffers: (AudioBuffer | null)[] = [];
  #voices: (Voice | null)[] = [];
  #chosen = 0;
  #startedAt: number | null = null;
  #pausedAt = 0;

  constructor(context = new AudioContext()) {
    this.#context = context;
  }

  get isPlaying(): boolean {
    return this.#startedAt !== null;
  }

  /** Number of the version that is heard. */
  get chosen(): number {
    return this.#chosen;
  }

  /** Length of the sound. */
  get durationS(): number {
    return this.#buffers[0]?.duration ?? 0;
  }

  /** Where in the sound we are. */
  get positionS(): number {
    if (this.#startedAt === null) return this.#pausedAt;
    return (this.#context.currentTime - this.#startedAt) % this.durationS;
  }

  /** Forget all versions. */
  clear(): void {
    this.pause();
    this.#buffers.length = 0;
    this.#pausedAt = 0;
    this.#chosen = 0;
  }

  /** Have a version under a number; number 0 comes first and sets the length. */
  set(version: number, pcm: Float32Array<ArrayBuffer>): void {
    const buffer = this.#context.createBuffer(1, pcm.length, SAMPLE_RATE);
    buffer.copyToChannel(pcm, 0);
    this.#buffers[version] = buffer;
    if (this.isPlaying) this.#voices[version] = this.#start(buffer, version, this.positionS);
  }

  /**
   * Go on from where it was paused. Call it in a click: browsers want one before there is sound.
   */
  async play(): Promise<void> {
    if (this.isPlaying) return;
    await this.#context.resume();
    const position = this.#pausedAt;
    this.#voices = this.#buffers.map((buffer, n) => buffer && this.#start(buffer, n, position));
    this.#startedAt = this.#context.currentTime - position;
  }

  pause(): void {
    if (!this.isPlaying) return;
    this.#pausedAt = this.positionS;
    this.#startedAt = null;
    for (const voice of this.#voices) voice?.source.stop();
    this.#voices = [];
  }

  /** Go somewhere, in seconds from the start. */
  seek(positionS: number): void {
    const wasPlaying = this.isPlaying;
    this.pause();
    this.#pausedAt = Math.max(0, Math.min(this.durationS, positionS));
    if (wasPlaying) void this.play();
  }

  /** Let another version be heard, at once. */
  choose(version: number): void {
    this.#chosen = version;
    const now = this.#context.currentTime;
    this.#voices.forEach((voice, n) => {
      voice?.gain.gain.setTargetAtTime(n === version ? 1 : 0, now, FADE_S / 3);
    });
  }

  #start(buffer: AudioBuffer, version: number, positionS: number): Voice {
    const source = new AudioBufferSourceNode(this.#context, { buffer, loop: true });
    const gain = new GainNode(this.#context, { gain: version === this.#chosen ? 1 : 0 });
    source.connect(gain).connect(this.#context.destination);
    source.start(0, positionS);
    return { source, gain };
  }
}
