import { describe, expect, test } from "vitest";
import { Limiter, Mixer } from "../../src/call/mixer";
import { Player } from "../../src/call/player";
import type { AudioFrames } from "../../src/frames";
import { concatenate } from "../../src/pcm";
import { renamed } from "../names";
import { ClipDecoder, difference, indicesOf, project, speech } from "../speech";
import { readJson } from "../vectors";

interface Vector {
  looks: [pull: number, talking: number[], refused: number, peak: number, ...sound: number[]][];
  stats: Record<string, unknown>;
}

const VECTOR = readJson<Vector>("tests/web/vectors/mixer.json");
const CLIP = gated(speech());

/** Silence where it is quiet and every now and then: so is comfort noise then. */
function gated(pcm: Float32Array): Float32Array {
  for (let at = 0; at < pcm.length; at += 320) {
    const frame = pcm.subarray(at, at + 320);
    const power = frame.reduce((sum, x) => sum + x * x, 0) / 320;
    if (power < 1e-4 || at % 6400 === 0) frame.fill(0);
  }
  return pcm;
}

const message = (sequence: number, frames = 3, end = false): AudioFrames => ({
  sequence,
  timestamp: sequence,
  indices: Array.from({ length: frames }, (_, n) => indicesOf(sequence + n)),
  start: false,
  end,
  dtx: false,
  isCopy: false,
});

const decoder = (member: number): ClipDecoder =>
  new ClipDecoder(CLIP.subarray(3200 * member).map((sample) => 6 * sample));

describe("ten members of a room, as in Python", () => {
  const mixer = new Mixer(decoder);
  const looks: Vector["looks"] = [];
  let pieces: Float32Array[] = [];
  for (let pull = 0; pull < 1200; pull++) {
    const now = pull / 75;
    for (let member = 0; member < 10; member++) {
      const first = member < 2 ? 0 : 300 + 7 * member;
      const last = 1 < member && member < 8 ? 450 : 1150;
      if (first <= pull && pull < last && (pull - first) % 3 === 2)
        mixer.put(member, message(pull - first - 2, 3, pull + 3 >= last), now);
    }
    if (pull === 150) mixer.setGain(1, 0.25);
    if (pull === 375) mixer.setGain(0, 0);
    if (pull === 600) mixer.remove(1);
    pieces.push(mixer.pull(now, 320));
    if (pull % 25 !== 24) continue;
    const pcm = concatenate(pieces);
    const peak = pcm.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    const talking = [...mixer.talking(now)].sort((a, b) => a - b);
    looks.push([pull, talking, mixer.refused, peak, ...project(pcm)]);
    pieces = [];
  }

  test("the same are heard to talk, and as many frames are refused", () =>
    expect(looks.map((look) => look.slice(0, 3))).toEqual(
      VECTOR.looks.map((look) => look.slice(0, 3)),
    ));

  test("it sounds the same, and never clips", () =>
    looks.forEach(([, , , ...sound], n) =>
      sound.forEach((value, k) =>
        expect(value).toBeCloseTo(VECTOR.looks[n]![3 + k] as number, k === 0 ? 4 : 3),
      ),
    ));

  test("it counts the same", () =>
    expect(mixer.stats({ networkMs: 20, deviceMs: 10 })).toEqual(renamed(VECTOR.stats)));
});

test("a single voice below the ceiling is not changed", () => {
  const mixer = new Mixer(() => new ClipDecoder(CLIP));
  const pieces = Array.from({ length: 90 }, (_, n) => {
    mixer.put(0, message(n, 1), n / 75);
    return mixer.pull(n / 75, 320);
  });
  const pcm = concatenate(pieces);
  const start = mixer.stats().leadInSamples!;
  expect(difference(pcm.slice(start), CLIP.slice(0, pcm.length - start))).toBe(0);
  expect(start).toBeLessThan(9600);
});

test("a limiter is down at the first loud sample and comes back slowly", () => {
  const limiter = new Limiter();
  const loud = new Float32Array(320).fill(2);
  expect(Math.max(...limiter.push(loud))).toBeLessThanOrEqual(0.9701);
  const soft = new Float32Array(320).fill(0.5);
  const after = Array.from({ length: 300 }, () => limiter.push(soft)[319]!);
  expect(after[0]).toBeLessThan(0.26);
  expect(after.every((level, n) => n === 0 || level >= after[n - 1]!)).toBe(true);
  expect(after.at(-1)).toBeGreaterThan(0.49);
});

test("a room in which nobody spoke has numbers too", () => {
  const mixer = new Mixer(decoder);
  expect(mixer.stats()).toMatchObject({ received: 0, leadInSamples: null });
  expect(mixer.statsOf(3)).toBeUndefined();
  expect([mixer.hasPlayed, mixer.isEmpty]).toEqual([false, true]);
  expect(mixer.pull(0, 320)).toEqual(new Float32Array(320));
});

test("a player hands over what is asked for, measures it and says when all was heard", () => {
  let now = 0;
  const mixer = new Mixer(decoder);
  const player = new Player(mixer, () => now);
  const report = { underruns: 2, missingMs: 5, droppedMs: 0, marginMs: 10, heldMs: 17 };
  player.setDelays({ networkMs: 20, sourceMs: 8, sinkMs: 30 });
  const heard: Float32Array[] = [];
  for (let pull = 0; pull < 150; pull++, now += 1 / 75) {
    if (pull < 99 && pull % 3 === 0) mixer.put(0, message(60 + pull, 3, pull === 96), now);
    heard.push(...player.answer({ frames: 1, report }));
    if (pull === 0) expect(player.firstSoundS).toBeNull();
    if (pull === 60) expect(player.meter.rmsDb).toBeGreaterThan(-30);
    if (0 < pull && pull < 99) expect(player.isDrained).toBe(false);
  }
  expect(heard.every((frame) => frame.length === 320)).toBe(true);
  expect(player.firstSoundS).toBeLessThan(0.2);
  expect(player.isDrained).toBe(true);
  expect(player.playback).toBe(report);
  expect(player.stats.delayP50).toMatchObject({ networkMs: 20, deviceMs: 55 });
  expect(player.answer({ frames: 1e6, report }).length).toBe(8);
});

test("a player answers the port that was attached last", async () => {
  const player = new Player(new Mixer(decoder));
  const [first, second] = [new MessageChannel(), new MessageChannel()];
  player.attach(first.port1);
  player.attach(second.port1);
  const report = { underruns: 0, missingMs: 0, droppedMs: 0, marginMs: 10, heldMs: 0 };
  const answer = new Promise((resolve) => (second.port2.onmessage = ({ data }) => resolve(data)));
  second.port2.postMessage({ frames: 1, report });
  expect(await answer).toEqual(new Float32Array(320));
  player.stop();
  second.port2.close();
  first.port2.close();
});
