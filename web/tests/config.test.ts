import { describe, expect, test } from "vitest";
import { CodecConfig } from "../src/config";
import { InputError } from "../src/errors";
import { readJson } from "./vectors";

interface Vector {
  json: string;
  codebook_sizes: number[];
  default_rate: string;
  ladder: {
    name: string;
    pairs: number;
    codebook_sizes: number[];
    kbps: number;
    lookahead: number;
    refined: boolean;
    packed_bytes: number[];
    most_bytes: number;
  }[];
}

test.each(readJson<Vector[]>("tests/web/vectors/config.json"))("ladder of $json", (vector) => {
  const config = CodecConfig.fromJson(vector.json);
  expect(config.codebookSizes).toEqual(vector.codebook_sizes);
  expect(config.defaultRate.name).toBe(vector.default_rate);
  expect(config.ladder.length).toBe(vector.ladder.length);
  vector.ladder.forEach((wanted, index) => {
    const rate = config.ladder[index]!;
    expect(rate.index).toBe(index);
    expect(rate.name).toBe(wanted.name);
    expect(rate.pairs).toBe(wanted.pairs);
    expect(rate.codebookSizes).toEqual(wanted.codebook_sizes);
    expect(rate.kbps).toBeCloseTo(wanted.kbps, 12);
    expect(rate.lookahead).toBe(wanted.lookahead);
    expect(rate.refined).toBe(wanted.refined);
    expect([0, 1, 3, 16, 75].map((n) => rate.packedBytes(n))).toEqual(wanted.packed_bytes);
    expect(rate.mostBytes(3)).toBe(wanted.most_bytes);
    expect(config.widthToRate(rate.codebookSizes.length)).toBe(rate);
  });
});

describe("what a user asks for", () => {
  const config = new CodecConfig();

  test("is a name, a number of kbps or nothing", () => {
    expect(config.findRate("1.5").index).toBe(0);
    expect(config.findRate(3).name).toBe("3");
    expect(config.findRate(2.94).name).toBe("3");
    expect(config.findRate(config.ladder[2]!)).toBe(config.ladder[2]);
    expect(config.findRate()).toBe(config.defaultRate);
  });

  test("is refused with the list of what there is", () => {
    expect(() => config.findRate("64")).toThrow(/expected one of 1.5, 2, 3, 6 \(kbps\)/);
    expect(() => config.findRate("three")).toThrow(InputError);
    expect(() => config.indexToRate(4)).toThrow(/expected 0 to 3/);
    expect(() => config.widthToRate(5)).toThrow(/expected one of 3, 4, 6, 12/);
  });
});

test.each(["", "{}", "[]", '{"levels": [9]}', '{"levels": "a", "rates": [1]}'])(
  "%j is no configuration",
  (text) => expect(() => CodecConfig.fromJson(text)).toThrow(InputError),
);

test.each([
  [{ levels: [9] }, /even number/],
  [{ rates: [4, 3] }, /ascending/],
  [{ rates: [0, 3] }, /from 1 to 12/],
  [{ rates: [13] }, /from 1 to 12/],
])("%j is refused", (fields, sentence) => expect(() => new CodecConfig(fields)).toThrow(sentence));
