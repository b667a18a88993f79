import { expect, test } from "vitest";
import { Capture } from "../../src/audio/capture";
import { concatenate } from "../../src/pcm";
import { difference, speech } from "../speech";

const BLOCK = 128;
const CLIP = speech().slice(0, 24_000);

/** All frames of a microphone with these channels. */
function captured(capture: Capture, ...channels: Float32Array[]): Float32Array[] {
  const frames: Float32Array[] = [];
  for (let at = 0; at + BLOCK <= channels[0]!.length; at += BLOCK)
    frames.push(...capture.push(channels.map((pcm) => pcm.subarray(at, at + BLOCK)), BLOCK));
  return frames;
}

test("frames are the microphone's samples, none lost or changed", () => {
  const frames = captured(new Capture(24_000), CLIP);
  expect(frames.length).toBe(Math.floor((Math.floor(CLIP.length / BLOCK) * BLOCK) / 320));
  expect(frames.every((frame) => frame.length === 320)).toBe(true);
  expect(difference(concatenate(frames), CLIP.slice(0, 320 * frames.length))).toBe(0);
});

test("a microphone of 48 kHz gives as many frames a second", () => {
  const frames = captured(new Capture(48_000), new Float32Array(48_000 * 4));
  expect(frames.length).toBe(299); // 300, less the filter's delay
});

test("channels become their mean", () => {
  const half = CLIP.map((sample) => sample / 2);
  const frames = captured(new Capture(24_000), CLIP, half, half);
  const [frame] = frames.slice(-1);
  const at = 320 * (frames.length - 1);
  frame!.forEach((sample, n) => expect(sample).toBeCloseTo((CLIP[at + n]! * 2) / 3, 6));
});

test("what is not connected is silence, in time", () => {
  const capture = new Capture(24_000);
  const frames = Array.from({ length: 10 }, () => capture.push([], BLOCK)).flat();
  expect(frames).toEqual(Array.from({ length: 4 }, () => new Float32Array(320)));
});

test("a muted microphone is silent and shows its level", () => {
  const capture = new Capture(24_000);
  capture.mute.isOn = true;
  const frames = captured(capture, CLIP);
  expect(frames[0]!.some((sample) => sample !== 0)).toBe(true); // fades
  expect(concatenate(frames.slice(1)).every((sample) => sample === 0)).toBe(true);
  expect(capture.meter.rmsDb).toBeGreaterThan(-50);
});
