import { expect, test } from "vitest";
import { BlindTest } from "../../../src/pages/try/blind_test";

test("the original is on the side that chance chose, for every trial anew", () => {
  const draws = [0.1, 0.9, 0.4, 0.6];
  const blind = new BlindTest(() => draws.shift()!);
  expect(blind.isOriginal("A")).toBe(true);
  expect(blind.isOriginal("B")).toBe(false);
  expect(blind.vote("A")).toBe(true);
  expect(blind.vote("A")).toBe(false);
  expect(blind.vote("A")).toBe(true);
  expect([blind.right, blind.trials]).toEqual([2, 3]);
});

test.each([
  [0, 0, 1],
  [1, 1, 1 / 2],
  [5, 5, 1 / 32],
  [7, 8, 9 / 256],
  [0, 4, 1],
])("%i of %i right happens to guessers with probability %d", (right, trials, chance) => {
  const blind = new BlindTest(() => 0); // A, always
  for (let n = 0; n < trials; n++) blind.vote(n < right ? "A" : "B");
  expect(blind.chance).toBeCloseTo(chance, 12);
});
