import { describe, expect, test } from "vitest";
import { LevelMeter, Mute } from "../../src/audio/meters";
import { LevelDetector } from "../../src/audio/voice_detector";
import { project, speech } from "../speech";
import { readJson } from "../vectors";

interface Vector {
  levels: [frame: number, rmsDb: number, peakDb: number, clipped: number][];
  voice: string;
  muted: number[][];
}

const VECTOR = readJson<Vector>("tests/web/vectors/meters.json");
const CLIP = speech();

describe("as in Python", () => {
  test("a meter moves", () => {
    const meter = new LevelMeter();
    for (let n = 0; n < 300; n++) {
      meter.push(CLIP.slice(320 * n, 320 * n + 320).map((x) => x * (n === 100 ? 40 : 1)));
      const look = VECTOR.levels.find(([frame]) => frame === n);
      if (look === undefined) continue;
      expect(meter.rmsDb).toBeCloseTo(look[1], 4);
      expect(meter.peakDb).toBeCloseTo(look[2], 4);
      expect(meter.clippedSamples).toBe(look[3]);
    }
    expect(meter.clippedSamples).toBeGreaterThan(0);
    expect(meter.read()).toEqual({
      rmsDb: meter.rmsDb,
      peakDb: meter.peakDb,
      clippedSamples: meter.clippedSamples,
    });
  });

  test("a detector hears voice", () => {
    const detector = new LevelDetector();
    const heard = Array.from({ length: 300 }, (_, n) =>
      detector.isVoice(CLIP.subarray(320 * n, 320 * n + 320)) ? "1" : "0",
    );
    expect(heard.join("")).toBe(VECTOR.voice);
    detector.reset();
    expect(detector.isVoice(new Float32Array(320))).toBe(false);
  });

  test("a mute fades", () => {
    const mute = new Mute();
    [false, true, true, false, false].forEach((isOn, n) => {
      mute.isOn = isOn;
      const faded = mute.apply(CLIP.slice(20_000, 20_320));
      project(faded).forEach((sum, k) => expect(sum).toBeCloseTo(VECTOR.muted[n]![k]!, 4));
    });
  });
});

test("a mute that is off hands the samples through", () => {
  const frame = CLIP.slice(0, 320);
  expect(new Mute().apply(frame)).toBe(frame);
});
