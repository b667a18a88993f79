import { expect, test } from "vitest";
import { spectrogramOf } from "../../../src/pages/try/spectrogram";

test("a tone is a line at its frequency, where it sounds", () => {
  const pcm = Float32Array.from({ length: 24_000 }, (_, n) =>
    n < 12_000 ? 0 : 0.9 * Math.sin((2 * Math.PI * 3000 * n) / 24_000),
  );
  const { columns, bins, levels } = spectrogramOf(pcm, 50);
  const column = (n: number): Float32Array => levels.slice(n * bins, (n + 1) * bins);
  expect(column(5).every((level) => level === 0)).toBe(true);
  const loud = column(45);
  expect(loud.indexOf(Math.max(...loud))).toBe((3000 / 12_000) * (bins - 1));
  expect(Math.max(...loud)).toBeGreaterThan(0.97);
  expect(loud[10]).toBeLessThan(0.3);
  expect(columns * bins).toBe(levels.length);
});

test("a sound shorter than a window is drawn, too", () => {
  expect(
    spectrogramOf(new Float32Array(100).fill(0.5), 3).levels.some((level) => level > 0.5),
  ).toBe(true);
});
