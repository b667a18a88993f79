import { beforeAll, describe, expect, test } from "vitest";
import { FRAME_SAMPLES } from "../src/config";
import { Codec } from "../src/engine/codec";
import { FormatError, InputError, ModelError } from "../src/errors";
import { Toc } from "../src/packet";
import { Bands } from "../src/refinement/bands";
import { DiskFiles } from "./disk_files";
import { RefinedFiles, withMetadata } from "./refined_files";
import { readBytes } from "./vectors";

const WAV = readBytes("tests/web/vectors/speech.wav");
const SPEECH = Float32Array.from(
  new Int16Array(WAV.slice(44).buffer).slice(0, 120 * FRAME_SAMPLES),
  (sample) => sample / 32768,
);

function framesOf(pcm: Float32Array): Float32Array[] {
  return Array.from({ length: Math.floor(pcm.length / FRAME_SAMPLES) }, (_, n) =>
    pcm.subarray(n * FRAME_SAMPLES, (n + 1) * FRAME_SAMPLES),
  );
}

function joined(frames: readonly Float32Array[]): Float32Array {
  return Float32Array.from(frames.flatMap((frame) => Array.from(frame)));
}

/** Of the levels of 40 bands, rms in nepers, where there is sound. */
function levelError(got: Float32Array, wanted: Float32Array, bands = 40): number {
  const meter = new Bands(24_000, FRAME_SAMPLES);
  const misses: number[] = [];
  for (
    let at = 0;
    at + 2 * FRAME_SAMPLES <= Math.min(got.length, wanted.length);
    at += FRAME_SAMPLES
  ) {
    const [a, b] = [got, wanted].map((pcm) =>
      meter.levels(meter.spectrum(pcm.subarray(at, at + 2 * FRAME_SAMPLES))),
    ) as [Float64Array, Float64Array];
    for (let band = 0; band < bands; band++) if (b[band]! > -1) misses.push(a[band]! - b[band]!);
  }
  return Math.sqrt(misses.reduce((sum, miss) => sum + miss * miss, 0) / misses.length);
}

describe("the shipped models", () => {
  let codec: Codec;
  const frames = framesOf(SPEECH);
  beforeAll(async () => {
    codec = await Codec.load(new DiskFiles());
  });

  test("say what they are", () => {
    expect(codec.modelHash).toHaveLength(8);
    expect(codec.modelId).toMatch(/^q2d2-/);
    expect(codec.rates.length).toBe(codec.config.ladder.length);
    const coded = codec.rates.map((rate) => rate.codedKbps!);
    expect(coded).toEqual([...coded].sort((a, b) => a - b));
    expect(coded[0]).toBeGreaterThan(0.5);
  });

  test("speech comes back at every rate, the better the higher", () => {
    const errors = codec.rates.map((rate) => {
      const encoder = codec.encoder(rate);
      const decoder = codec.decoder();
      const pcm = joined(
        frames.map((frame) => {
          const row = encoder.push(frame);
          expect(row).toHaveLength(encoder.width);
          return decoder.push(row);
        }),
      );
      const delay = decoder.delaySamples;
      expect(delay).toBe(rate.lookahead);
      expect(pcm.every((sample) => Math.abs(sample) <= 1)).toBe(true);
      return levelError(pcm.subarray(delay), SPEECH);
    });
    expect(errors[0]).toBeLessThan(0.9);
    expect(errors.at(-1)).toBeLessThan(errors[0]! - 0.05);
  });

  test("packets of several frames are those frames, at rates that change", () => {
    const [byPacket, byFrame] = [codec.encoder(), codec.encoder()];
    const [ofPackets, ofRows] = [codec.decoder(), codec.decoder()];
    for (let at = 0, n = 0; at + 3 <= 90; at += 3, n++) {
      byPacket.rate = byFrame.rate = codec.rates[n % codec.rates.length]!;
      const rows = frames.slice(at, at + 3).map((frame) => byFrame.push(frame));
      const packet = byPacket.encode(joined(frames.slice(at, at + 3)));
      expect(codec.packets.decode(packet)).toEqual(rows);
      expect(Toc.fromPacket(packet).rate).toBe(byPacket.rate.index);
      expect(ofPackets.decode(packet)).toEqual(joined(rows.map((row) => ofRows.push(row))));
    }
  });

  test("streams do not disturb each other, and begin anew after a reset", () => {
    const one = codec.encoder();
    const alone = frames.slice(0, 20).map((frame) => one.push(frame));
    const other = codec.encoder();
    const decoder = codec.decoder();
    one.reset();
    const mixed = frames.slice(0, 20).map((frame, n) => {
      decoder.push(other.push(frames[60 + n]!));
      return one.push(frame);
    });
    expect(mixed).toEqual(alone);
    const first = alone.map((row) => decoder.push(row));
    decoder.reset();
    const again = alone.map((row) => decoder.push(row));
    expect(again).not.toEqual(first);
    decoder.reset();
    expect(alone.map((row) => decoder.push(row))).toEqual(again);
  });

  test("what is lost is concealed, and before a first frame there is silence", () => {
    const encoder = codec.encoder();
    const decoder = codec.decoder();
    expect(decoder.decode(null)).toEqual(new Float32Array(FRAME_SAMPLES));
    const energy = (pcm: Float32Array): number => pcm.reduce((sum, each) => sum + each * each, 0);
    for (let at = 60; at < 90; at += 3)
      decoder.decode(encoder.encode(joined(frames.slice(at, at + 3))));
    const heard = energy(decoder.decode(encoder.encode(joined(frames.slice(90, 93)))));
    const held = decoder.decode(null);
    expect(held).toHaveLength(3 * FRAME_SAMPLES);
    expect(energy(held)).toBeGreaterThan(0.02 * heard);
    for (let n = 0; n < 50; n++) decoder.decode(null);
    expect(energy(decoder.decode(null))).toBeLessThan(0.1 * energy(held));
  });

  test("what is refused leaves the stream as it was", () => {
    const [encoder, twin] = [codec.encoder(), codec.encoder()];
    const [decoder, other] = [codec.decoder(), codec.decoder()];
    for (const frame of frames.slice(50, 60)) {
      const refused = [
        new Float32Array(7),
        new Float32Array(FRAME_SAMPLES).fill(NaN),
        frame.map((s) => s * 1e5 + 9),
      ];
      for (const pcm of refused) expect(() => encoder.push(pcm)).toThrow(InputError);
      expect(() => encoder.encode(new Float32Array(17 * FRAME_SAMPLES))).toThrow(/1 to 16/);
      const row = encoder.push(frame);
      expect(row).toEqual(twin.push(frame));
      expect(() => decoder.push(row.subarray(1))).toThrow(InputError);
      expect(() => decoder.push(row.map(() => 255))).toThrow(InputError);
      expect(() => decoder.decode(Uint8Array.of(0x70, 1))).toThrow(FormatError);
      expect(decoder.push(row)).toEqual(other.push(row));
    }
  });

  test("an offset comes in slowly", () => {
    const decoder = codec.decoder();
    const encoder = codec.encoder();
    const silence = new Float32Array(FRAME_SAMPLES).fill(0.5);
    const heard = Array.from({ length: 30 }, () => decoder.push(encoder.push(silence)));
    expect(Math.max(...joined(heard).map(Math.abs))).toBeLessThan(0.1);
  });
});

describe("files", () => {
  class Changed extends DiskFiles {
    constructor(private readonly change: (name: string, data: Uint8Array) => Uint8Array | null) {
      super();
    }

    override async model(name: string): Promise<Uint8Array | null> {
      return this.change(name, (await super.model(name))!);
    }
  }

  test.each([
    [
      "missing",
      (name: string, data: Uint8Array) => (name.startsWith("enc") ? null : data),
      /no encoder/,
    ],
    [
      "cut",
      (name: string, data: Uint8Array) => (name.startsWith("dec") ? data.subarray(0, 9999) : data),
      /not a q2d2/,
    ],
    [
      "damaged",
      (_: string, data: Uint8Array) => data.map((byte, n) => (n === 9999 ? byte ^ 1 : byte)),
      /damaged|not a q2d2/,
    ],
    ["no metadata", () => new Uint8Array(100), /not a q2d2/],
    [
      "of two models",
      (name: string, data: Uint8Array) =>
        name.startsWith("enc") ? withMetadata(name, data, { "q2d2.model_id": "q2d2-other" }) : data,
      /encoder is of model q2d2-other/,
    ],
    [
      "of another format",
      (name: string, data: Uint8Array) =>
        name.endsWith("tflite") ? withMetadata(name, data, { "q2d2.format": "2" }) : data,
      /says format 2/,
    ],
    [
      "computed wrongly",
      (name: string, data: Uint8Array) =>
        name.endsWith("tflite") ? withMetadata(name, data, { "q2d2.probe": "[1, 2, 3]" }) : data,
      /wrongly/,
    ],
    [
      "of feedback that is none",
      (name: string, data: Uint8Array) =>
        name.endsWith("tflite") ? withMetadata(name, data, { "q2d2.feedback": "[1, 2]" }) : data,
      /feedback is no matrix/,
    ],
    [
      "too loud",
      (name: string, data: Uint8Array) =>
        name.endsWith("tflite") ? withMetadata(name, data, { "q2d2.gain_db": "[90]" }) : data,
      /gains are \[90\]/,
    ],
  ])("%s", async (_, change, sentence) => {
    const loading = Codec.load(new Changed(change));
    await expect(loading).rejects.toThrow(sentence);
    await expect(loading).rejects.toThrow(ModelError);
  });

  test.each([
    ["no tables", (name: string, data: Uint8Array) => (name.endsWith("tables") ? null : data)],
    [
      "tables of other weights",
      (name: string, data: Uint8Array) =>
        name.endsWith("tflite")
          ? withMetadata(name, data, { "q2d2.model_hash": "0001020304050607" })
          : data,
    ],
  ])("with %s, indices keep their fixed size", async (_, change) => {
    const codec = await Codec.load(new Changed(change));
    expect(codec.coder).toBeNull();
    expect(codec.rates[0]!.codedKbps).toBeNull();
    const packet = codec.encoder().encode(new Float32Array(3 * FRAME_SAMPLES));
    expect(packet).toHaveLength(1 + codec.config.defaultRate.packedBytes(3));
    expect(codec.decoder().decode(packet)).toHaveLength(3 * FRAME_SAMPLES);
  });
});

describe.each([true, false])("with refinement, entropy coded: %s", (withTables) => {
  let codec: Codec;
  const frames = framesOf(SPEECH);
  beforeAll(async () => {
    codec = await Codec.load(new RefinedFiles(withTables));
  });

  /** What is heard of packets of three frames at rates that `rateOf` says. */
  function heardOf(
    rateOf: (n: number) => number,
    late = false,
  ): { pcm: Float32Array; delay: number } {
    const encoder = codec.encoder();
    const decoder = codec.decoder(late);
    const pcm: Float32Array[] = [];
    for (let at = 0; at < frames.length; at += 3) {
      encoder.rate = codec.rates[rateOf(at)]!;
      const packet = encoder.encode(joined(frames.slice(at, at + 3)));
      if (encoder.rate.refined) expect(Toc.fromPacket(packet).coded).toBe(withTables);
      pcm.push(decoder.decode(packet));
    }
    return { pcm: joined(pcm), delay: decoder.delaySamples };
  }

  test("levels are nearer to those of the original than without what refinement says", () => {
    const code = codec.refinementCode!;
    const noError = new Float32Array(40);
    const nothing = withTables ? Uint8Array.of(0, ...code.symbols(noError)) : code.indices(noError);
    const encoder = codec.encoder();
    encoder.rate = codec.config.refinedRate!;
    const [told, untold] = [codec.decoder(), codec.decoder()];
    const pcm = frames.map((frame) => {
      const row = encoder.push(frame);
      const without = Uint8Array.of(...row.subarray(0, encoder.rate.pairs), ...nothing);
      return [told.push(row), untold.push(without)] as const;
    });
    const delay = told.delaySamples;
    expect(delay).toBe(encoder.rate.lookahead);
    const [refined, plain] = [0, 1].map((which) =>
      levelError(joined(pcm.map((both) => both[which]!)).subarray(delay), SPEECH),
    );
    expect(refined).toBeLessThan(0.9 * plain!);
  });

  test("a change of rate changes the delay once, and a late decoder's never", () => {
    const rateOf = (at: number): number => (at > 45 && at < 90 ? 3 : 2);
    const changed = heardOf(rateOf);
    expect(changed.delay).toBe(2 * FRAME_SAMPLES);
    const late = heardOf(rateOf, true);
    expect(late.delay).toBe(2 * FRAME_SAMPLES);
    const wanted = SPEECH;
    expect(levelError(late.pcm.subarray(late.delay), wanted)).toBeLessThan(0.9);
  });

  test("a lost window is concealed, whatever the frame's number", () => {
    const [encoder, decoder] = [codec.encoder("6"), codec.decoder()];
    encoder.rate = codec.config.refinedRate!;
    encoder.seek(1000);
    decoder.seek(1000);
    const heard = frames.slice(0, 60).map((frame, n) => {
      const row = encoder.push(frame);
      return decoder.push(n % 10 === 9 ? null : row);
    });
    expect(joined(heard).every((sample) => Math.abs(sample) <= 1)).toBe(true);
    const row = encoder.push(frames[60]!);
    expect(() =>
      decoder.push(row.map((each, n) => (n < codec.rates[2]!.pairs ? each : 255))),
    ).toThrow(InputError);
  });

  test("a link of a constant rate gets frames of at most so many bits", () => {
    const encoder = codec.encoder();
    encoder.rate = codec.config.refinedRate!;
    encoder.refinementLimitBits = 60;
    const { pairs } = encoder.rate;
    for (const frame of frames.slice(0, 60)) {
      const row = encoder.push(frame);
      if (!withTables) expect(row).toHaveLength(encoder.rate.codebookSizes.length);
      else
        expect(codec.coder!.refinementBits(row.subarray(pairs + 1), row[pairs]!)).toBeLessThan(90);
    }
  });
});
