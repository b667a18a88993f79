import { expect, test } from "vitest";
import { accelerate, expand } from "../../src/playout/stretch";
import { project, speech } from "../speech";
import { readJson } from "../vectors";

interface Splice {
  start: number;
  quiet: boolean;
  shorter: [length: number, ...sound: number[]];
  longer: [length: number, ...sound: number[]];
}

const CLIP = speech();
const SPLICES = readJson<Splice[]>("tests/web/vectors/stretch.json");

test("every splice of a clip is made where Python makes it, and sounds the same", () => {
  for (const { start, quiet, shorter, longer } of SPLICES) {
    const block = CLIP.subarray(start, start + 640);
    for (const [pcm, [length, ...sound]] of [
      [accelerate(block, quiet), shorter],
      [expand(block.subarray(0, 320), block.subarray(320), quiet), longer],
    ] as const) {
      expect(pcm.length, `at ${start}`).toBe(length);
      project(pcm).forEach((sum, n) => expect(sum, `at ${start}`).toBeCloseTo(sound[n]!, 4));
    }
  }
});

test("what is not spliced is handed back as it is", () => {
  const silence = new Float32Array(640);
  expect(accelerate(silence)).toBe(silence);
  const half = silence.subarray(320);
  expect(expand(half, half)).toBe(half);
  expect(expand(half, half, true)).toEqual(silence);
});
