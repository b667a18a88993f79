import { describe, expect, test } from "vitest";
import { InputError } from "../src/errors";
import { Lattice, type LatticeKind } from "../src/lattice";
import { roundHalfEven } from "../src/rounding";
import { readJson } from "./vectors";

interface Vector {
  kind: LatticeKind;
  levels: number[];
  codes: number[];
  scale: number[];
  norm: number[];
  latents: number[][];
  nearest: number[][];
  points: number[][];
  normalised: number[][];
}

describe.each(readJson<Vector[]>("tests/web/vectors/lattice.json"))("$kind", (vector) => {
  const lattice = new Lattice(vector.kind, vector.levels);

  test("has the sizes that Python says", () => {
    expect(lattice.codes).toEqual(vector.codes);
    expect(Array.from(lattice.scale)).toEqual(vector.scale);
    expect(Array.from(lattice.norm)).toEqual(vector.norm);
  });

  test("finds the same points", () => {
    vector.latents.forEach((latent, n) => {
      const nearest = lattice.nearest(latent);
      expect(Array.from(nearest)).toEqual(vector.nearest[n]);
      expect(Array.from(lattice.point(nearest))).toEqual(vector.points[n]);
      expect(Array.from(lattice.normalised(nearest))).toEqual(vector.normalised[n]);
      const first = lattice.nearest(latent.slice(0, 2));
      expect(Array.from(first)).toEqual(vector.nearest[n]!.slice(0, 1));
    });
  });

  test("every point is nearest to itself", () => {
    for (let index = 0; index < lattice.codes[0]!; index++)
      expect(lattice.nearest(lattice.point([index]))).toEqual(Uint8Array.of(index));
  });

  test("refuses what it cannot quantize or look up", () => {
    expect(() => lattice.nearest([NaN, 0])).toThrow(InputError);
    expect(() => lattice.nearest([0, -Infinity])).toThrow(InputError);
    expect(() => lattice.nearest([0])).toThrow(/dimensions/);
    expect(() => lattice.point([lattice.codes[0]!])).toThrow(/out of range/);
    expect(() => lattice.point([])).toThrow(InputError);
  });
});

test.each([
  ["rhombic", [4, 4], /odd number/],
  ["rhombic", [9], /even number/],
  ["rectangular", [17, 16], /at most 256/],
  ["hexagonal", [1, 3], /at least 2/],
] as const)("%s %j make no grid", (kind, levels, sentence) => {
  expect(() => new Lattice(kind, levels)).toThrow(sentence);
});

test("halves are rounded to the even number", () => {
  const halves = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1e300, 0.49999999999999994];
  expect(halves.map(roundHalfEven).map((n) => n + 0)).toEqual([-2, -2, 0, 0, 2, 2, 1e300, 0]);
});
