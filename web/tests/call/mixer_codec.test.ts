import { beforeAll, expect, test } from "vitest";
import { Mixer } from "../../src/call/mixer";
import { Codec } from "../../src/engine/codec";
import type { Rate } from "../../src/config";
import { concatenate } from "../../src/pcm";
import { RefinedFiles } from "../refined_files";
import { difference, speech } from "../speech";

const FRAMES = 110;
const LOST = new Set([30, 31, 55, 56, 57, 90]);
const CLIP = speech();

let codec: Codec;
beforeAll(async () => {
  codec = await Codec.load(new RefinedFiles());
});

/** Rows of speech from frame `first` on, each at the rate that `rateOf` says. */
function encode(first: number, rateOf: (frame: number) => Rate): Uint8Array[] {
  const encoder = codec.encoder();
  return Array.from({ length: FRAMES }, (_, n) => {
    encoder.rate = rateOf(n);
    const at = 320 * (first + n);
    return encoder.push(CLIP.slice(at, at + 320));
  });
}

/** What a decoder makes of these rows, those that are lost concealed. */
function decode(rows: readonly Uint8Array[]): Float32Array {
  const decoder = codec.decoder();
  return concatenate(
    rows.map((row, n) => {
      if (LOST.has(n)) return decoder.push(null);
      decoder.seek(n);
      return decoder.push(row);
    }),
  );
}

/** What a mixer makes of them, from the first decoded frame on. */
function mix(...members: (readonly Uint8Array[])[]): Float32Array {
  const mixer = new Mixer(() => codec.decoder());
  const pieces: Float32Array[] = [];
  for (let n = 0; n < FRAMES + 3; n++) {
    members.forEach((rows, member) => {
      if (n >= FRAMES || LOST.has(n)) return;
      const flags = { start: n === 0, end: false, dtx: false, isCopy: false };
      mixer.put(member, { sequence: n, timestamp: n, indices: [rows[n]!], ...flags }, n / 75);
    });
    pieces.push(mixer.pull(n / 75, 320));
  }
  const stats = mixer.stats();
  expect(stats.concealed).toBe(members.length * LOST.size);
  return concatenate(pieces).subarray(stats.leadInSamples!);
}

test("rates that change, to refinement and back, and losses sound as the decoder makes them", () => {
  const { rates } = codec;
  const rows = encode(60, (n) => (n < 40 ? rates[1]! : n < 75 ? rates.at(-1)! : rates[0]!));
  expect(new Set(rows.map((row) => row.length)).size).toBe(3);
  const heard = mix(rows);
  const samples = heard.length;
  expect(samples).toBeGreaterThan(100 * 320);
  expect(difference(heard, decode(rows).slice(0, samples))).toBe(0);
});

test("two voices are the sum of both", () => {
  const [one, other] = [encode(60, () => codec.rates[0]!), encode(160, () => codec.rates[2]!)];
  const heard = mix(one, other);
  const [first, second] = [decode(one), decode(other)];
  const sum = first.map((sample, n) => sample + second[n]!).slice(0, heard.length);
  expect(Math.max(...sum.map(Math.abs))).toBeLessThan(0.97); // what is louder is limited
  expect(difference(heard, sum)).toBeLessThan(1e-6);
});
