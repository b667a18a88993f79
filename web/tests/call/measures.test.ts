import { describe, expect, it } from "vitest";
import { Durations, LossWindow } from "../../src/call/measures";

describe("durations", () => {
  it("are none before the first, and sorted afterwards", () => {
    const durations = new Durations();
    expect(durations.percentiles()).toEqual([0, 0]);
    expect(durations.measure(() => 7)).toBe(7);
    for (let n = 0; n < 1000; n++) durations.measure(() => n);
    const [median, high] = durations.percentiles();
    expect(high).toBeGreaterThanOrEqual(median);
    expect(median).toBeGreaterThanOrEqual(0);
  });
});

describe("loss", () => {
  it("is that of the window alone", () => {
    const losses = new LossWindow(3);
    expect(losses.percent(0, 0)).toBe(0);
    expect(losses.percent(90, 10)).toBe(10);
    expect(losses.percent(90, 10)).toBe(10);
    expect(losses.percent(190, 10)).toBe(5); // since the second
    expect(losses.percent(290, 10)).toBe(0);
  });

  it("is none where a playout began anew", () => {
    const losses = new LossWindow(3);
    losses.percent(100, 50);
    expect(losses.percent(0, 0)).toBe(0);
  });
});
