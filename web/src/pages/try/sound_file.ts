/** Files of any kind that the browser can play, as the codec wants them. */
import { SAMPLE_RATE } from "../../config";

/** Longer files are cut: all versions are held in memory. */
export const LONGEST_S = 30;

/**
 * A file as 24 kHz mono samples, the first {@link LONGEST_S} seconds.
 *
 * @throws DOMException for what is no sound that this browser knows
 */
export async function readSound(file: Blob): Promise<Float32Array> {
  // A context of this rate resamples what it decodes.
  const context = new OfflineAudioContext(1, 1, SAMPLE_RATE);
  const buffer = await context.decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, n) =>
    buffer.getChannelData(n),
  );
  const samples = Math.min(buffer.length, LONGEST_S * SAMPLE_RATE);
  return Float32Array.from({ length: samples }, (_, at) => {
    const sum = channels.reduce((total, channel) => total + channel[at]!, 0);
    return Math.max(-1, Math.min(1, sum / channels.length));
  });
}
