/** Levels of a sound over time and frequency, and their picture. */
import { RealFft } from "../../fft";

const WINDOW = 512; // 21 ms at 24 kHz: harmonics of a voice are apart, its syllables too
const RANGE_DB = 70;

/** Rows are bins from 0 Hz to half the sample rate, columns are moments. */
export interface Spectrogram {
  readonly columns: number;
  readonly bins: number;
  /** Column after column, 0 (silent) to 1 (the loudest of full scale). */
  readonly levels: Float32Array;
}

/** `columns` windows spread over a sound. */
export function spectrogramOf(pcm: Float32Array, columns: number): Spectrogram {
  const fft = new RealFft(WINDOW);
  const hann = Float64Array.from(
    { length: WINDOW },
    (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / WINDOW),
  );
  const bins = WINDOW / 2 + 1;
  const levels = new Float32Array(columns * bins);
  const window = new Float64Array(WINDOW);
  for (let column = 0; column < columns; column++) {
    const start = Math.round(((pcm.length - WINDOW) * column) / Math.max(1, columns - 1));
    hann.forEach((weight, n) => (window[n] = weight * (pcm[start + n] ?? 0)));
    const { re, im } = fft.forward(window);
    for (let bin = 0; bin < bins; bin++) {
      const db = 10 * Math.log10((re[bin]! ** 2 + im[bin]! ** 2) / (WINDOW / 4) ** 2 + 1e-12);
      levels[column * bins + bin] = Math.max(0, Math.min(1, 1 + db / RANGE_DB));
    }
  }
  return { columns, bins, levels };
}

/** Dark where it is silent, then violet, orange and yellow: lightness rises throughout. */
const COLOURS: readonly (readonly [number, number, number])[] = [
  [8, 8, 24],
  [74, 20, 110],
  [187, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
];

/** Draw it over the whole canvas, one pixel to a window and bin. */
export function drawSpectrogram(
  { columns, bins, levels }: Spectrogram,
  canvas: HTMLCanvasElement,
): void {
  canvas.width = columns;
  canvas.height = bins;
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(columns, bins);
  for (let column = 0; column < columns; column++)
    for (let bin = 0; bin < bins; bin++) {
      const at = ((bins - 1 - bin) * columns + column) * 4;
      image.data.set(colourOf(levels[column * bins + bin]!), at);
    }
  context.putImageData(image, 0, 0);
}

function colourOf(level: number): [number, number, number, number] {
  const place = level * (COLOURS.length - 1);
  const below = Math.min(COLOURS.length - 2, Math.floor(place));
  const [from, to] = [COLOURS[below]!, COLOURS[below + 1]!];
  const mix = (n: 0 | 1 | 2): number => from[n] + (to[n] - from[n]) * (place - below);
  return [mix(0), mix(1), mix(2), 255];
}
