/** Plays the microphone's frames through playout and mixer, as if they had come from a peer. */
import { Mixer } from "../../src/call/mixer";
import { Player } from "../../src/call/player";
import type { Decoder, PlayoutOptions } from "../../src/playout";

export interface Begin {
  readonly capture: MessagePort;
  readonly playback: MessagePort;
  readonly options: Partial<PlayoutOptions>;
}

const TICK_MS = 4;
const nowS = (): number => performance.now() / 1e3;

/** Its frames carry their samples as bytes. */
class BytesDecoder implements Decoder {
  readonly delaySamples = 320;

  push(indices: Uint8Array | null): Float32Array {
    return indices === null ? new Float32Array(320) : new Float32Array(indices.slice().buffer);
  }

  seek(): void {}

  reset(): void {}
}

const captured: Float32Array[] = [];
const played: Float32Array[] = [];
let holdsMs: number[] = []; // of a worker that was held up for longer than a few ticks

class LoggingMixer extends Mixer {
  override pull(now: number, samples: number): Float32Array<ArrayBuffer> {
    const pcm = super.pull(now, samples);
    played.push(pcm.slice());
    return pcm;
  }
}

function begin({ capture, playback, options }: Begin): void {
  const mixer = new LoggingMixer(() => new BytesDecoder(), options);
  const player = new Player(mixer);
  player.attach(playback);
  capture.onmessage = ({ data }: MessageEvent<Float32Array<ArrayBuffer>>) => {
    const sequence = captured.push(data) - 1;
    const indices = [new Uint8Array(data.buffer)];
    const flags = { start: false, end: false, dtx: false, isCopy: false };
    mixer.put(0, { sequence, timestamp: sequence, indices, ...flags }, nowS());
  };
  let last = nowS();
  setInterval(() => {
    const held = 1e3 * (nowS() - last) - TICK_MS;
    if (held > TICK_MS) holdsMs.push(held);
    last = nowS();
  }, TICK_MS);
  onmessage = () =>
    postMessage({ captured, played, holdsMs, stats: mixer.stats(), playback: player.playback });
}

onmessage = ({ data }: MessageEvent<Begin>) => begin(data);
