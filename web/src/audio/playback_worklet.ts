/// <reference types="audioworklet" />
/** Plays the worker's frames, and asks for them just before they are needed. */
import { PLAYBACK, type Connect, type PlaybackRequest } from "./messages";
import { Playback } from "./playback";

class PlaybackProcessor extends AudioWorkletProcessor implements AudioWorkletProcessorImpl {
  readonly #playback = new Playback(sampleRate);
  #worker: MessagePort | undefined;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<Connect>) => this.#connect(data.port);
  }

  process(_: Float32Array[][], [output = []]: Float32Array[][]): boolean {
    const [first, ...others] = output;
    if (first === undefined) return true;
    this.#playback.fill(first);
    for (const other of others) other.set(first);
    const frames = this.#worker === undefined ? 0 : this.#playback.wanted();
    if (frames > 0)
      this.#worker?.postMessage({
        frames,
        report: this.#playback.report(),
      } satisfies PlaybackRequest);
    return true;
  }

  #connect(worker: MessagePort): void {
    if (this.#worker !== undefined) this.#worker.onmessage = null;
    this.#worker = worker;
    this.#playback.forget();
    worker.onmessage = ({ data }: MessageEvent<Float32Array>) => this.#playback.write(data);
  }
}

registerProcessor(PLAYBACK, PlaybackProcessor);
