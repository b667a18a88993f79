import { describe, expect, test } from "vitest";
import { FRAME_SAMPLES, SAMPLE_RATE } from "../src/config";
import { ModelError } from "../src/errors";
import { RefinementCode, STEPS, SYMBOL_ZERO } from "../src/refinement/code";
import { NoiseGenerators } from "../src/refinement/noise";
import { ErrorMeter, Refiner } from "../src/refinement/windows";
import { readJson } from "./vectors";

interface Vector {
  code: string;
  errors: number[][];
  original: number[][];
  decoded: number[][];
  what_comes: ("error" | "lost" | "none")[];
  symbols: number[][];
  cheapest: number[][];
  told: number[][];
  indices: number[][];
  told_by_indices: number[][];
  measured: number[][];
  refined: number[][];
  fall: number[];
  noise: number[][];
}

function expectClose(found: ArrayLike<number>, wanted: readonly number[]): void {
  expect(found.length).toBe(wanted.length);
  wanted.forEach((value, n) => expect(found[n]).toBeCloseTo(value, 4));
}

describe.each(readJson<Vector[]>("tests/web/vectors/refinement.json"))("refinement", (vector) => {
  const code = RefinementCode.fromJson(vector.code);
  const errors = vector.errors.map((error) => Float32Array.from(error));
  const decoded = vector.decoded.map((frame) => Float32Array.from(frame));

  test("sends the same numbers of an error, and hears the same error of them", () => {
    errors.forEach((error, n) => {
      const symbols = code.symbols(error, n % STEPS.length);
      expect(Array.from(symbols)).toEqual(vector.symbols[n]);
      expectClose(code.symbolsToError(symbols, n % STEPS.length), vector.told[n]!);
      const indices = code.indices(error);
      expect(Array.from(indices)).toEqual(vector.indices[n]);
      expectClose(code.indicesToError(indices), vector.told_by_indices[n]!);
    });
  });

  test("chooses the same symbols where bits have a price", () => {
    errors.forEach((error, n) => {
      const found = code.symbols(
        error,
        n % STEPS.length,
        (component, symbol) => 1.5 * Math.abs(symbol - SYMBOL_ZERO) * (1 + component / 40),
      );
      expect(Array.from(found)).toEqual(vector.cheapest[n]);
    });
  });

  test("measures the same errors", () => {
    const meter = new ErrorMeter(SAMPLE_RATE, FRAME_SAMPLES);
    let state = meter.initialState();
    vector.original.forEach((original, n) => {
      const step = meter.step(Float32Array.from(original), decoded[n]!, state);
      expectClose(step.error, vector.measured[n]!);
      state = step.state;
    });
  });

  test("refines to the same sound, whatever comes", () => {
    const refiner = new Refiner(SAMPLE_RATE, FRAME_SAMPLES, code.sharpening);
    let state = refiner.initialState();
    vector.what_comes.forEach((what, n) => {
      const error = what === "error" ? errors[n]! : null;
      const step = refiner.step(decoded[n]!, error, state, what === "lost");
      expectClose(step.refined, vector.refined[n]!);
      state = step.state;
    });
    expectClose(refiner.fall, vector.fall);
  });

  test("knows the state of the decoder's noise", () => {
    const generators = new NoiseGenerators(9);
    const states = [0, 1, 2, 4095, 4096, 100_000].map((frames) => generators.stateAfter(frames));
    expect(states.map((state) => Array.from(state))).toEqual(vector.noise);
  });

  test("steps of an error that is hardly one are zero", () => {
    const none = code.symbolsToError(new Uint8Array(40).fill(SYMBOL_ZERO));
    expect(Array.from(code.symbols(none))).toEqual(Array<number>(40).fill(SYMBOL_ZERO));
  });

  test("damaged statistics are refused", () => {
    const fields = JSON.parse(vector.code) as Record<string, unknown>;
    const damaged = [
      "",
      "null",
      "{}",
      JSON.stringify({ ...fields, step: 0 }),
      JSON.stringify({ ...fields, sharpening: 2 }),
      JSON.stringify({ ...fields, mean: "AAAA" }),
      JSON.stringify({ ...fields, unit: btoa("\0\xfc".repeat(18)) }),
    ];
    for (const text of damaged) expect(() => RefinementCode.fromJson(text)).toThrow(ModelError);
  });
});
