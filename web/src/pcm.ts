/** Sound as the codec takes it: mono, 24 kHz, nominally -1 to 1, in frames of 13.3 ms. */

export const SAMPLE_RATE = 24_000;
export const FRAME_SAMPLES = 320;

/** One array of all. */
export function concatenate(pieces: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const joined = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
