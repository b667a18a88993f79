/**
 * Time-stretching of decoded speech: leave out or repeat one pitch period, without a click.
 *
 * WSOLA (Verhelst and Roelands 1993) reduced to one splice per call, as NetEQ's `accelerate` and
 * `preemptive_expand` do it. The splice is a cross-fade between two places that look alike:
 *
 *     accelerate   a a a[b b b]c c c[d d d]e e e      ->   a a a[b->d]e e e
 *                        `-- lag --->                      shorter by the lag
 *     expand       h h h[i i i]|[j j j]k k k          ->   [j->i]j j j k k k
 *                        <-- lag ---'                      longer by the lag
 *
 * where the lag is the shift with the highest normalised cross-correlation. A splice is made only
 * where that correlation is high (voiced speech) or where the signal is quiet (any lag will do).
 */
import { concatenate } from "../pcm";

/** Longest period that is left out or repeated: 13.3 ms, a voice of 75 Hz. */
export const MAX_LAG_SAMPLES = 320;
/** Samples that {@link accelerate} works on: two frames. */
export const BLOCK_SAMPLES = 640;
/** Samples already played that {@link expand} needs to see. */
export const HISTORY_SAMPLES = 320;

const MIN_CORRELATION = 0.8; // least similarity, 0 to 1, that a splice needs
const MIN_LAG = 60; // 400 Hz
const FADE = 240; // 10 ms, also the correlation window: shorter ones lock onto formants
const DECIMATE = 4; // the coarse search runs at 6 kHz, as pitch lives below 3 kHz
const COARSE_STARTS = [0, 10, 20]; // splice points 1.7 ms apart

interface Splice {
  /** Where to leave the samples. */
  readonly start: number;
  /** How far from there they go on. */
  readonly lag: number;
  /** Correlation of the two places. */
  readonly similarity: number;
}

/**
 * Leaves out one period of `pcm`, 640 samples that are not played yet. With `quiet` this is
 * background only, where the longest lag is taken unseen. Returns 60 to 320 samples less, or `pcm`
 * itself where no place is good enough; the first and the last sample are those of `pcm`.
 */
export function accelerate(pcm: Float32Array, quiet = false): Float32Array {
  const splice = quiet ? { start: 0, lag: MAX_LAG_SAMPLES, similarity: 0 } : bestSplice(pcm, 1);
  if (!quiet && splice.similarity < MIN_CORRELATION) return pcm;
  const { start, lag } = splice;
  return concatenate([
    pcm.subarray(0, start),
    crossfade(pcm, splice, start + lag),
    pcm.subarray(start + lag + FADE),
  ]);
}

/**
 * Repeats one period between `history`, the 320 samples played last, and `pcm`, the 320 to play
 * next; `quiet` as above. Returns 60 to 320 samples more than `pcm`, or `pcm` itself where no place
 * is good enough. It continues `history` and ends as `pcm` does.
 */
export function expand(history: Float32Array, pcm: Float32Array, quiet = false): Float32Array {
  const both = concatenate([history, pcm]);
  const splice = quiet
    ? { start: HISTORY_SAMPLES, lag: MAX_LAG_SAMPLES, similarity: 0 }
    : bestSplice(both, -1);
  if (!quiet && splice.similarity < MIN_CORRELATION) return pcm;
  const { start, lag } = splice;
  return concatenate([
    both.subarray(HISTORY_SAMPLES, start),
    crossfade(both, splice, start - lag),
    both.subarray(start - lag + FADE),
  ]);
}

/** Linear for equal signals, equal power for unrelated ones, in between by their correlation. */
function crossfade(pcm: Float32Array, { start, similarity }: Splice, resume: number): Float32Array {
  const rho = Math.min(Math.max(similarity, 0), 1);
  return Float32Array.from({ length: FADE }, (_, n) => {
    const rise = (n + 0.5) / FADE;
    const fall = 1 - rise;
    const power = rise * rise + fall * fall + 2 * rho * rise * fall;
    return (pcm[start + n]! * fall + pcm[resume + n]! * rise) / Math.sqrt(power);
  });
}

/** The best splice within `pcm` (640 samples), going on later (`way` 1) or earlier (-1). */
function bestSplice(pcm: Float32Array, way: 1 | -1): Splice {
  const coarse = new Float32Array(pcm.length / DECIMATE);
  for (let n = 0; n < pcm.length; n++) coarse[Math.floor(n / DECIMATE)]! += pcm[n]!;
  const window = FADE / DECIMATE;
  const energies = Float64Array.from(
    { length: coarse.length - window + 1 },
    (_, at) => dot(coarse, at, at, window) + 1e-9,
  );
  let start = 0;
  let lag = 0;
  let best = -Infinity;
  for (const offset of COARSE_STARTS) {
    const here = offset + (way < 0 ? HISTORY_SAMPLES / DECIMATE : 0);
    for (let shift = MIN_LAG / DECIMATE; shift <= MAX_LAG_SAMPLES / DECIMATE; shift++) {
      const there = here + way * shift;
      const norm = Math.sqrt(energies[here]! * energies[there]!);
      const score = dot(coarse, here, there, window) / norm;
      if (score > best) [start, lag, best] = [here * DECIMATE, shift * DECIMATE, score];
    }
  }
  return exactSplice(pcm, start, lag, way);
}

/** The exact lag, at the full rate, within one coarse step. */
function exactSplice(pcm: Float32Array, start: number, coarseLag: number, way: 1 | -1): Splice {
  const energy = dot(pcm, start, start, FADE);
  let best: Splice = { start, lag: coarseLag, similarity: -Infinity };
  const most = Math.min(coarseLag + DECIMATE - 1, MAX_LAG_SAMPLES);
  for (let lag = Math.max(coarseLag - DECIMATE + 1, MIN_LAG); lag <= most; lag++) {
    const there = start + way * lag;
    const norm = Math.sqrt(energy * dot(pcm, there, there, FADE)) + 1e-9;
    const similarity = dot(pcm, start, there, FADE) / norm;
    if (similarity > best.similarity) best = { start, lag, similarity };
  }
  return best;
}

function dot(pcm: Float32Array, first: number, second: number, length: number): number {
  let sum = 0;
  for (let n = 0; n < length; n++) sum += pcm[first + n]! * pcm[second + n]!;
  return sum;
}
