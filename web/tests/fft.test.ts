import { describe, expect, test } from "vitest";
import { RealFft } from "../src/fft";
import { Normals } from "../src/playout/normals";

describe.each([2, 4, 6, 10, 14, 16, 60, 160, 320, 512, 640])("of %i samples", (size) => {
  const random = new Normals(size);
  const signal = Float64Array.from({ length: size }, () => random.next());
  const sums = (wave: (angle: number) => number): Float64Array =>
    Float64Array.from({ length: size / 2 + 1 }, (_, k) =>
      signal.reduce((sum, value, n) => sum + value * wave((-2 * Math.PI * n * k) / size), 0),
    );
  const [re, im] = [sums(Math.cos), sums(Math.sin)];
  const fft = new RealFft(size);

  test("the spectrum is the definition's", () => {
    const found = fft.forward(signal);
    re.forEach((value, k) => expect(found.re[k]).toBeCloseTo(value, 9));
    im.forEach((value, k) => expect(found.im[k]).toBeCloseTo(value, 9));
  });

  test("it goes back, and what went before is left alone", () => {
    const before = fft.forward(signal);
    const back = fft.backward({ re, im });
    back.forEach((value, n) => expect(value).toBeCloseTo(signal[n]!, 9));
    expect(fft.forward(signal)).toEqual(before);
  });

  test("the imaginary parts of the first and the last bin are not looked at", () => {
    const other = Float64Array.from(im);
    other[0] = other[size / 2] = 1;
    expect(fft.backward({ re, im: other })).toEqual(fft.backward({ re, im }));
  });
});

test("a window of an odd number of samples is refused", () => {
  expect(() => new RealFft(9)).toThrow("expected an even number");
});
