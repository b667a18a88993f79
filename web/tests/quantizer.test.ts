import { expect, test } from "vitest";
import { InputError, ModelError } from "../src/errors";
import { Lattice, type LatticeKind } from "../src/lattice";
import { NoiseShaper } from "../src/quantizer";
import { readJson } from "./vectors";

interface Vector {
  kind: LatticeKind;
  levels: number[];
  feedback: number[][] | null;
  latents: number[][];
  indices: number[][];
}

const VECTORS = readJson<Vector[]>("tests/web/vectors/quantizer.json");

test.each(VECTORS)("$kind, feedback $feedback", (vector) => {
  const shaper = new NoiseShaper(new Lattice(vector.kind, vector.levels), vector.feedback);
  const quantize = (): number[][] =>
    vector.latents.map((latent) => Array.from(shaper.quantize(Float32Array.from(latent))));
  expect(quantize()).toEqual(vector.indices);
  shaper.reset();
  expect(quantize()).toEqual(vector.indices);
});

test("a latent that is not finite counts for nothing", () => {
  const { kind, levels, feedback, latents, indices } = VECTORS[1]!;
  const shaper = new NoiseShaper(new Lattice(kind, levels), feedback);
  shaper.quantize(Float32Array.from(latents[0]!));
  expect(() => shaper.quantize(new Float32Array(levels.length).fill(NaN))).toThrow(InputError);
  expect(Array.from(shaper.quantize(Float32Array.from(latents[1]!)))).toEqual(indices[1]);
});

test.each([
  [[]],
  [[[0, 0]]],
  [[[0, 0], [0]]],
  [
    [
      [0, NaN],
      [0, 0],
    ],
  ],
])("feedback %j is refused", (feedback) =>
  expect(() => new NoiseShaper(new Lattice("rhombic", [9, 9]), feedback)).toThrow(ModelError),
);
