/** From the microphone's blocks to the codec's frames. */
import { concatenate, FRAME_SAMPLES, SAMPLE_RATE } from "../pcm";
import { LevelMeter, Mute } from "./meters";
import { Resampler } from "./resample";

/**
 * Takes what a sound card captured, at its rate, and gives frames of 320 samples at 24 kHz. A muted
 * microphone gives silence, frame by frame.
 */
export class Capture {
  /** Level of the microphone, muted or not. */
  readonly meter = new LevelMeter();
  readonly mute = new Mute();
  readonly #resampler: Resampler;
  #held: Float32Array = new Float32Array(0);

  constructor(sampleRate: number) {
    this.#resampler = new Resampler(sampleRate, SAMPLE_RATE);
  }

  /**
   * Takes a block of any length, one array for each channel or none where nothing is connected; the
   * frames that are complete with it. Channels become their mean, since a voice may be on any one.
   */
  push(channels: readonly Float32Array[], blockSamples: number): Float32Array[] {
    const pcm = this.#resampler.push(toMono(channels, blockSamples));
    const held = concatenate([this.#held, pcm]);
    const whole = held.length - (held.length % FRAME_SAMPLES);
    this.#held = held.slice(whole);
    const frames: Float32Array[] = [];
    for (let at = 0; at < whole; at += FRAME_SAMPLES) {
      const frame = held.slice(at, at + FRAME_SAMPLES);
      this.meter.push(frame);
      frames.push(this.mute.apply(frame));
    }
    return frames;
  }
}

function toMono(channels: readonly Float32Array[], blockSamples: number): Float32Array {
  const [first, ...others] = channels;
  if (first === undefined) return new Float32Array(blockSamples);
  if (others.length === 0) return first;
  return first.map(
    (sample, n) => others.reduce((sum, other) => sum + other[n]!, sample) / channels.length,
  );
}
