/** The page of test_sound_chain.py: microphone, worker and loudspeaker, all of it recorded. */
import { Sound } from "../../src/audio/sound";
import { concatenate } from "../../src/pcm";
import type { PlayoutOptions } from "../../src/playout";
import type { Begin } from "./sound_chain_worker";

interface Wishes {
  readonly seconds: number;
  readonly options: Partial<PlayoutOptions>;
  /** Of the sound card; a context of another rate refuses the microphone, as Firefox's does. */
  readonly rate: number;
}

const sources: AudioNode[] = [];
const worklets: AudioNode[] = [];

function watch(rate: number): void {
  const Context = window.AudioContext;
  window.AudioContext = class extends Context {
    constructor(options?: AudioContextOptions) {
      super({ sampleRate: rate, ...options });
    }
  };
  const create = AudioContext.prototype.createMediaStreamSource;
  AudioContext.prototype.createMediaStreamSource = function (stream) {
    if (this.sampleRate !== rate) throw new DOMException("", "NotSupportedError");
    const source = create.call(this, stream);
    sources.push(source);
    return source;
  };
  const Node = window.AudioWorkletNode;
  window.AudioWorkletNode = class extends Node {
    constructor(context: BaseAudioContext, name: string, options?: AudioWorkletNodeOptions) {
      super(context, name, options);
      worklets.push(this);
    }
  };
}

const base64 = (pieces: Float32Array[]): string => {
  const bytes = new Uint8Array(concatenate(pieces).buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000)
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
};

async function run({ seconds, options, rate }: Wishes): Promise<unknown> {
  watch(rate);
  const sound = await Sound.open({ microphone: "default" });
  const levels: number[] = [];
  sound.onlevel = ({ rmsDb }) => levels.push(rmsDb);
  const worker = new Worker("sound_chain_worker.js");
  const { capturePort: capture, playbackPort: playback } = sound;
  worker.postMessage({ capture, playback, options } satisfies Begin, [capture, playback]);

  const [said, heard]: [Float32Array[], Float32Array[]] = [[], []];
  const { context } = worklets[0]!;
  await context.audioWorklet.addModule("sound_recorder_worklet.js");
  const recorder = new AudioWorkletNode(context, "recorder", { numberOfInputs: 2 });
  recorder.port.onmessage = ({ data }: MessageEvent<[Float32Array, Float32Array]>) => {
    said.push(data[0]);
    heard.push(data[1]);
  };
  sources.at(-1)!.connect(recorder, 0, 0);
  worklets[1]!.connect(recorder, 0, 1);
  recorder.connect(context.destination);

  await new Promise((resolve) => setTimeout(resolve, 1e3 * seconds));
  const { sampleRate, latency, state } = sound;
  await sound.close();
  const told = new Promise<Record<string, Float32Array[]>>((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
  });
  worker.postMessage(null);
  const { captured, played, ...numbers } = await told;
  worker.terminate();
  return {
    ...numbers,
    sampleRate,
    latency,
    state,
    levels,
    captured: base64(captured!),
    played: base64(played!),
    said: base64(said),
    heard: base64(heard),
  };
}

Object.assign(window, { run });
