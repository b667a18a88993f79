import { describe, expect, test } from "vitest";
import { Playback } from "../../src/audio/playback";
import { RingBuffer } from "../../src/audio/ring";
import { concatenate } from "../../src/pcm";
import { difference, speech } from "../speech";

const BLOCK = 128;
const CLIP = speech().slice(24_000, 72_000);

/** A loudspeaker that plays a clip; `answers` says whether the frame asked for in a block comes. */
class Loudspeaker {
  readonly playback: Playback;
  readonly heard: Float32Array[] = [];
  asked = 0;
  #late = 0;

  constructor(rate = 24_000) {
    this.playback = new Playback(rate);
  }

  run(blocks: number, answers: (block: number) => boolean = () => true): Float32Array {
    for (let block = 0; block < blocks; block++) {
      const out = new Float32Array(BLOCK);
      this.playback.fill(out);
      this.heard.push(out);
      const wanted = this.playback.wanted();
      this.#late += wanted;
      for (; this.#late > 0 && answers(block); this.#late--, this.asked++) {
        const at = (320 * this.asked) % (CLIP.length - 320);
        this.playback.write(CLIP.slice(at, at + 320));
      }
    }
    return concatenate(this.heard);
  }
}

describe("answered at once", () => {
  test("plays every sample as it is, after one block", () => {
    const speaker = new Loudspeaker();
    const heard = speaker.run(300).slice(BLOCK);
    // but for the fade at the beginning
    expect(difference(heard.slice(60, 30_000), CLIP.slice(60, 30_000))).toBe(0);
    expect(speaker.playback.report()).toMatchObject({ underruns: 0, missingMs: 0, droppedMs: 0 });
  });

  test("asks as late as it can", () => {
    const speaker = new Loudspeaker();
    for (let n = 0; n < 500; n++) {
      speaker.heard.length = 0;
      speaker.run(1);
      // a block, the margin, and what a frame is more than that
      expect(speaker.playback.report().heldMs).toBeLessThan(5.34 + 10 + 13.34);
    }
    expect(speaker.asked).toBeGreaterThan(500 * (BLOCK / 320));
  });

  test.each([48_000, 44_100])("plays at %i Hz", (rate) => {
    const speaker = new Loudspeaker(rate);
    const heard = speaker.run(2 * Math.floor(rate / BLOCK));
    expect(Math.abs(speaker.asked - 150)).toBeLessThan(5);
    expect(speaker.playback.report()).toMatchObject({ underruns: 0, droppedMs: 0 });
    const rms = (pcm: Float32Array): number =>
      Math.sqrt(pcm.reduce((sum, x) => sum + x * x, 0) / pcm.length);
    expect(rms(heard) / rms(CLIP)).toBeCloseTo(1, 1);
  });
});

describe("not answered for a while", () => {
  const speaker = new Loudspeaker();
  const heard = speaker.run(400, (block) => block < 200 || block > 220);

  test("counts one underrun and keeps more from then on", () => {
    const report = speaker.playback.report();
    expect(report.underruns).toBe(1);
    expect(report.missingMs).toBeGreaterThan(70);
    expect(report.missingMs).toBeLessThan(21 * 5.34);
    expect(report.marginMs).toBe(15);
  });

  test("asks for no frame twice: what is late does not become delay", () => {
    expect(speaker.playback.report().heldMs).toBeLessThan(5.34 + 15 + 13.34);
  });

  test("fades instead of clicking", () => {
    const steps = (pcm: Float32Array): number[] =>
      Array.from(pcm.subarray(1), (x, n) => Math.abs(x - pcm[n]!));
    expect(Math.max(...steps(heard))).toBeLessThanOrEqual(Math.max(...steps(CLIP)) * 1.05);
  });
});

test("the margin goes back after a steady time, and has a limit", () => {
  const speaker = new Loudspeaker();
  for (let n = 0; n < 30; n++) speaker.run(60, (block) => block < 20 || block > 40);
  expect(speaker.playback.report().marginMs).toBe(80);
  speaker.run((21 * 24_000) / BLOCK);
  expect(speaker.playback.report().marginMs).toBe(79);
});

test("silence before the first frame is no underrun", () => {
  const speaker = new Loudspeaker();
  speaker.run(100, () => false);
  expect(speaker.playback.report()).toMatchObject({ underruns: 0, missingMs: 0 });
});

test("what was asked of one that is gone is asked again", () => {
  const playback = new Playback(24_000);
  const first = playback.wanted();
  expect(first).toBeGreaterThan(0);
  expect(playback.wanted()).toBe(0);
  playback.forget();
  expect(playback.wanted()).toBe(first);
});

test("sound that does not fit is dropped and counted", () => {
  const playback = new Playback(24_000);
  for (let n = 0; n < 50; n++) playback.write(CLIP.slice(0, 320));
  expect(playback.report().droppedMs).toBeCloseTo(50 * (320 / 24) - 500, 6);
});

test("a ring keeps order around its end", () => {
  const ring = new RingBuffer(7);
  let [next, expected] = [0, 0];
  for (let turn = 0; turn < 100; turn++) {
    const pcm = Float32Array.from({ length: turn % 5 }, (_, n) => next + n);
    next += ring.offer(pcm);
    expect(ring.length).toBe(next - expected);
    const out = new Float32Array(turn % 4);
    const read = ring.readInto(out);
    out.subarray(0, read).forEach((sample) => expect(sample).toBe(expected++));
  }
  expect(expected).toBeGreaterThan(100);
});
