/** Records from the microphone. */
import { Sound } from "../../audio/sound";
import { SAMPLE_RATE } from "../../config";
import { concatenate } from "../../pcm";
import { LONGEST_S } from "./sound_file";

/** One recording, from {@link start} to {@link stop}. */
export class Recorder {
  /** Told of every frame: how long it is by now, and its level in dB of full scale. */
  onprogress: ((seconds: number, levelDb: number) => void) | undefined;
  /** Told when it is as long as it may become. */
  onfull: (() => void) | undefined;

  readonly #sound: Sound;
  readonly #frames: Float32Array[] = [];
  #samples = 0;

  private constructor(sound: Sound) {
    this.#sound = sound;
    sound.capturePort.onmessage = ({ data }: MessageEvent<Float32Array>) => this.#take(data);
  }

  /** @throws MicrophoneError where there is none, or it may not be used */
  static async start(worklets: string): Promise<Recorder> {
    return new Recorder(await Sound.open({ microphone: "default", worklets }));
  }

  /** What was recorded, 24 kHz mono. */
  async stop(): Promise<Float32Array> {
    this.#sound.capturePort.onmessage = null;
    await this.#sound.close();
    return concatenate(this.#frames);
  }

  #take(frame: Float32Array): void {
    this.#frames.push(frame);
    this.#samples += frame.length;
    const power = frame.reduce((sum, sample) => sum + sample * sample, 0) / frame.length;
    const seconds = this.#samples / SAMPLE_RATE;
    this.onprogress?.(seconds, 10 * Math.log10(power + 1e-9));
    if (seconds >= LONGEST_S) this.onfull?.();
  }
}
