/** What passes once passes never again, whatever the order. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { REPLAY_WINDOW, ReplayWindow, unwrap } from "../../src/protocol/replay";
import {
  MAX_AHEAD_FRAMES,
  SequenceWindow,
  WINDOW_FRAMES,
  add,
  distance,
} from "../../src/protocol/sequence";

const starts = fc.oneof(fc.nat(100), fc.integer({ min: 2 ** 32 - 100, max: 2 ** 33 }));
const steps = fc.array(fc.oneof(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -3000, max: 9000 })), {
  maxLength: 200,
});

test("a counter passes once, unless it is too old to tell", () => {
  fc.assert(
    fc.property(starts, steps, (start, moves) => {
      const window = new ReplayWindow(start);
      const seen = new Set<number>();
      let highest = start - 1;
      for (const move of moves) {
        const counter = Math.max(0, highest + move);
        const isNew = counter > highest - REPLAY_WINDOW && !seen.has(counter);
        expect(window.isNew(counter)).toBe(isNew);
        if (!isNew) continue;
        window.add(counter);
        seen.add(counter);
        highest = Math.max(highest, counter);
        expect(window.highest).toBe(highest);
      }
    }),
  );
});

test("a counter is known from its low bits when it is near", () => {
  fc.assert(
    fc.property(starts, fc.integer({ min: -8192, max: 8191 }), (near, off) => {
      const counter = near + off;
      fc.pre(counter >= 0);
      expect(unwrap(counter % 2 ** 14, near)).toBe(counter);
    }),
  );
});

test("frames pass once, around the end of the numbers too", () => {
  const moves = fc.array(
    fc.tuple(fc.integer({ min: -60, max: 60 }), fc.integer({ min: 1, max: 16 })),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(moves, (all) => {
      const window = new SequenceWindow();
      const first = 2 ** 32 - 200;
      window.restart(first);
      const seen = new Set<number>();
      for (const [move, frames] of all) {
        const sequence = add(window.highest!, move);
        const block = Array.from({ length: frames }, (_, n) => add(sequence, n));
        const isOld = block.some((each) => distance(window.highest!, each) <= -WINDOW_FRAMES);
        const isTwice = block.some((each) => seen.has(each));
        const verdict = isOld ? "out of window" : isTwice ? "duplicate" : "new";
        expect(window.accept(sequence, frames)).toBe(verdict);
        if (verdict === "new") for (const each of block) seen.add(each);
      }
    }),
  );
});

test("frames that are far off are of somebody else", () => {
  const window = new SequenceWindow();
  expect(window.isNear(5)).toBe(false);
  window.restart(5);
  expect(window.accept(add(4, MAX_AHEAD_FRAMES + 1), 1)).toBe("out of window");
  expect(window.accept(add(4, MAX_AHEAD_FRAMES), 1)).toBe("new");
  expect(window.accept(5, 1)).toBe("out of window");
});
