import { describe, expect, test } from "vitest";
import { Resampler } from "../../src/audio/resample";
import { concatenate } from "../../src/pcm";
import { difference, speech } from "../speech";
import { readJson } from "../vectors";

interface Vector {
  in: number;
  out: number;
  pcm: number[];
}

const VECTORS = readJson<Vector[]>("tests/web/vectors/resample.json");
const AT_ONCE = 1 << 20;

/** All output for `pcm` put in by blocks. */
function resampled(
  pcm: Float32Array,
  inRate: number,
  outRate: number,
  block: number,
): Float32Array {
  const resampler = new Resampler(inRate, outRate);
  const pieces: Float32Array[] = [];
  for (let at = 0; at < pcm.length; at += block)
    pieces.push(resampler.push(pcm.subarray(at, at + block)));
  return concatenate(pieces);
}

const sine = (frequency: number, rate: number, samples: number): Float32Array =>
  Float32Array.from({ length: samples }, (_, n) => Math.sin((2 * Math.PI * frequency * n) / rate));

/** How far `pcm` is from the sine, in dB, its beginning left out. */
function errorDb(pcm: Float32Array, frequency: number, rate: number): number {
  const wanted = sine(frequency, rate, pcm.length);
  let energy = 0;
  for (let n = 400; n < pcm.length; n++) energy += (pcm[n]! - wanted[n]!) ** 2;
  return 10 * Math.log10(energy / (pcm.length - 400) / 0.5);
}

describe.each(VECTORS)("$in Hz to $out Hz", ({ in: inRate, out: outRate, pcm: expected }) => {
  const pcm = speech().slice(20_000, 20_360);

  test("is what SciPy makes with the same filter", () => {
    const out = resampled(pcm, inRate, outRate, AT_ONCE);
    expect(out.length).toBe(expected.length);
    expect(Math.max(...out.map((sample, n) => Math.abs(sample - expected[n]!)))).toBeLessThan(2e-6);
  });

  test.each([1, 37, 128])("does not depend on blocks of %i", (block) => {
    const pieces = resampled(pcm, inRate, outRate, block);
    expect(difference(pieces, resampled(pcm, inRate, outRate, AT_ONCE))).toBe(0);
  });

  test("keeps tones that both rates can carry", () => {
    for (const share of [0.01, 0.3, 0.8]) {
      const frequency = (share * Math.min(inRate, outRate)) / 2;
      const out = resampled(sine(frequency, inRate, inRate / 10), inRate, outRate, 128);
      expect(errorDb(out, frequency, outRate)).toBeLessThan(-75);
    }
  });

  test("leaves nothing of tones that the lower rate cannot carry", () => {
    if (outRate > inRate) return;
    const frequency = (outRate * 0.53 + inRate * 0.45) / 2;
    const out = resampled(sine(frequency, inRate, inRate / 10), inRate, outRate, 128).slice(400);
    const power = out.reduce((sum, sample) => sum + sample ** 2, 0) / out.length;
    expect(10 * Math.log10(power / 0.5)).toBeLessThan(-85);
  });

  test("loses no sample in three seconds", () => {
    const resampler = new Resampler(inRate, outRate);
    const second = new Float32Array(inRate);
    let samples = 0;
    for (let n = 0; n < 3; n++) samples += resampler.push(second).length;
    const held = (resampler.delayMs * outRate) / 1e3;
    const missing = Math.abs(samples - (3 * outRate - held));
    expect(missing).toBeLessThanOrEqual(Math.max(1, outRate / inRate));
  });
});

test("equal rates pass the very samples through", () => {
  const resampler = new Resampler(24_000, 24_000);
  const pcm = new Float32Array(128);
  expect(resampler.push(pcm)).toBe(pcm);
  expect(resampler.delayMs).toBe(0);
});

test("delays by little more than a millisecond", () => {
  expect(new Resampler(48_000, 24_000).delayMs).toBeCloseTo(1.33, 2);
  expect(new Resampler(24_000, 44_100).delayMs).toBeCloseTo(1.33, 2);
});

test.each([
  [0, 24_000],
  [24_000, -1],
  [44_100.5, 24_000],
  [23_981, 24_001],
])("refuses %d to %d", (inRate, outRate) => {
  expect(() => new Resampler(inRate, outRate)).toThrow(/expected/);
});
