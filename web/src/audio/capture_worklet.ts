/// <reference types="audioworklet" />
/** Posts the microphone's frames to the worker: one Float32Array of 320 samples at 24 kHz each. */
import { Capture } from "./capture";
import { CAPTURE, type CaptureLevel, type Connect, type SetMuted } from "./messages";

const LEVELS_PER_S = 15;

class CaptureProcessor extends AudioWorkletProcessor implements AudioWorkletProcessorImpl {
  readonly #capture = new Capture(sampleRate);
  #out: MessagePort | undefined;
  #sinceLevel = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<Connect | SetMuted>) => {
      if ("port" in data) this.#out = data.port;
      else this.#capture.mute.isOn = data.isMuted;
    };
  }

  process([input = []]: Float32Array[][], [output]: Float32Array[][]): boolean {
    const samples = input[0]?.length ?? output?.[0]?.length ?? 128;
    for (const frame of this.#capture.push(input, samples))
      this.#out?.postMessage(frame, [frame.buffer as ArrayBuffer]);
    this.#sinceLevel += samples;
    if (this.#sinceLevel * LEVELS_PER_S >= sampleRate) {
      this.#sinceLevel = 0;
      this.port.postMessage({ level: this.#capture.meter.read() } satisfies CaptureLevel);
    }
    return true;
  }
}

registerProcessor(CAPTURE, CaptureProcessor);
