import { expect, test } from "vitest";
import { ComfortNoise } from "../../src/playout/comfort";
import { Normals } from "../../src/playout/normals";
import { project, speech } from "../speech";
import { readJson } from "../vectors";

interface Vector {
  quiet: string;
  level_db: (number | null)[];
  sound: number[][];
}

test("learns the same background as Python and makes the same noise of it", () => {
  const clip = speech();
  const expected = readJson<Vector>("tests/web/vectors/comfort.json");
  const noise = new ComfortNoise(5);
  for (let n = 0; n < expected.quiet.length; n++) {
    const at = (n % 300) * 320;
    const frame = n === 400 ? new Float32Array(320) : clip.slice(at, at + 320);
    expect(noise.observe(frame), `frame ${n}`).toBe(expected.quiet[n] === "1");
    if (n % 30 !== 29) continue;
    const look = Math.floor(n / 30);
    expect(noise.levelDb).toBeCloseTo(expected.level_db[look] ?? -Infinity, 3);
    project(noise.generate(500 + n)).forEach((sum, k) =>
      expect(sum).toBeCloseTo(expected.sound[look]![k]!, 5),
    );
  }
});

test("is silent before it has heard anything, and never loud", () => {
  const random = new Normals(1);
  const noise = new ComfortNoise();
  expect(noise.generate(500)).toEqual(new Float32Array(500));
  for (let n = 0; n < 200; n++)
    noise.observe(Float32Array.from({ length: 320 }, () => 0.5 * random.next()));
  const made = noise.generate(24_000);
  const rms = Math.sqrt(made.reduce((sum, sample) => sum + sample ** 2, 0) / made.length);
  expect(rms).toBeGreaterThan(0.015);
  expect(rms).toBeLessThan(0.025);
});

test("normal numbers are normal, and the same again", () => {
  const [random, again] = [new Normals(9), new Normals(9)];
  const numbers = Array.from({ length: 50_000 }, () => random.next());
  expect(numbers.slice(0, 9)).toEqual(Array.from({ length: 9 }, () => again.next()));
  const moment = (power: number): number =>
    numbers.reduce((sum, value) => sum + value ** power, 0) / numbers.length;
  expect(moment(1)).toBeCloseTo(0, 1);
  expect(moment(2)).toBeCloseTo(1, 1);
  expect(moment(4)).toBeGreaterThan(2.8);
  expect(moment(4)).toBeLessThan(3.2);
});
