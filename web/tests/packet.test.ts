import { describe, expect, test } from "vitest";
import { CodecConfig } from "../src/config";
import { IndexCoder } from "../src/entropy/indices";
import { Tables } from "../src/entropy/tables";
import { FormatError, InputError, ModelError } from "../src/errors";
import { PacketCoder, Toc } from "../src/packet";
import { readJson } from "./vectors";

interface Vector {
  config: string;
  tables: string;
  checksum: number;
  rows: number[][][];
  coded: string[];
  packed: (string | null)[];
  garbage: string[];
  garbage_rows: (number[][] | null)[];
  typical_bytes: number[];
}

interface Documented {
  config: { lattice: string; levels: number[]; rates: number[] };
  packets: { coded: boolean; indices: number[][]; packet: string }[];
}

const VECTORS = readJson<Vector[]>("tests/web/vectors/packets.json");

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");
const numbers = (rows: Uint8Array[]): number[][] => rows.map((row) => Array.from(row));
const changed = (data: Uint8Array, at: number, byte: number): Uint8Array =>
  data.map((each, n) => (n === at ? byte : each));
const typed = (rows: number[][]): Uint8Array[] => rows.map((row) => Uint8Array.from(row));

describe.each(VECTORS)("$config", (vector) => {
  const config = CodecConfig.fromJson(vector.config);
  const plain = new PacketCoder(config);
  const coding = Tables.fromBytes(bytes(vector.tables), config).then(
    (tables) => new PacketCoder(config, new IndexCoder(config, tables)),
  );

  test("has the same tables", async () => {
    const { coder } = await coding;
    expect(coder!.checksum).toBe(vector.checksum);
    expect(config.ladder.map((rate) => coder!.typicalBytes(rate.index, 3))).toEqual(
      vector.typical_bytes,
    );
  });

  test("makes the same packets, and takes them apart", async () => {
    const coded = await coding;
    vector.rows.forEach((rows, n) => {
      expect(hex(coded.encode(typed(rows)))).toBe(vector.coded[n]);
      expect(numbers(coded.decode(bytes(vector.coded[n]!)))).toEqual(rows);
      const packed = vector.packed[n]!;
      if (packed === null) return;
      expect(hex(plain.encode(typed(rows)))).toBe(packed);
      expect(numbers(plain.decode(bytes(packed)))).toEqual(rows);
    });
  });

  test("takes the same bytes for packets", async () => {
    const coded = await coding;
    vector.garbage.forEach((packet, n) => {
      const wanted = vector.garbage_rows[n]!;
      if (wanted === null) expect(() => coded.decode(bytes(packet))).toThrow(FormatError);
      else expect(numbers(coded.decode(bytes(packet)))).toEqual(wanted);
    });
  });

  test("cut or longer packets are refused", async () => {
    const coded = await coding;
    for (const packet of vector.coded) {
      const whole = bytes(packet);
      const rows = numbers(coded.decode(whole));
      for (const other of [whole.subarray(0, -1), Uint8Array.of(...whole, 0)]) {
        let found: number[][] = [];
        try {
          found = numbers(coded.decode(other));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
        expect(found).not.toEqual(rows);
      }
    }
  });

  test("coded packets need tables", () => {
    const packet = vector.coded.find((each) => Toc.fromPacket(bytes(each)).coded);
    expect(() => plain.decode(bytes(packet!))).toThrow(/tables are not here/);
  });
});

test("the documented packets", () => {
  const { config: fields, packets } = readJson<Documented>("docs/vectors/packets.json");
  const config = CodecConfig.fromJson(
    JSON.stringify({ sample_rate: 24000, hop: 320, lookahead: 320, ...fields }),
  );
  const plain = packets.filter(({ coded }) => !coded);
  expect(plain.length).toBeGreaterThan(5);
  for (const { indices, packet } of plain) {
    expect(hex(new PacketCoder(config).encode(typed(indices)))).toBe(packet);
    expect(numbers(new PacketCoder(config).decode(bytes(packet)))).toEqual(indices);
  }
});

test("every byte is a TOC or reserved", () => {
  for (let byte = 0; byte < 256; byte++)
    if (((byte >> 4) & 7) === 7)
      expect(() => Toc.fromPacket(Uint8Array.of(byte))).toThrow(/reserved rate 7/);
    else expect(Toc.fromPacket(Uint8Array.of(byte)).toByte()).toBe(byte);
});

test.each([{ rows: [[]] }, { rows: [[1, 2]] }, { rows: [[1, 85, 0]] }, { rows: [[1, 2, 3], [1]] }])(
  "$rows make no packet",
  ({ rows }) => {
    const coder = new PacketCoder(new CodecConfig());
    expect(() => coder.encode(typed(rows))).toThrow(InputError);
  },
);

test("more than 16 frames make no packet", () => {
  const rows = Array.from({ length: 17 }, () => Uint8Array.of(1, 2, 3));
  expect(() => new PacketCoder(new CodecConfig()).encode(rows)).toThrow(/1 to 16/);
  expect(() => new PacketCoder(new CodecConfig()).encode([])).toThrow(InputError);
});

describe("tables", () => {
  const { config: json, tables: stored } = VECTORS[0]!;
  const config = CodecConfig.fromJson(json);

  test.each([
    ["no tables", (data: Uint8Array) => data.subarray(0, 10), /magic/],
    ["of a later version", (data: Uint8Array) => changed(data, 8, 3), /version 3/],
    ["damaged", (data: Uint8Array) => changed(data, 40, data[40]! ^ 1), /damaged/],
    ["cut", (data: Uint8Array) => data.subarray(0, -20), /damaged/],
    ["another hash", (data: Uint8Array) => changed(data, 9, data[9]! ^ 1), /checksum/],
  ])("%s", async (_, change, sentence) => {
    const refused = Tables.fromBytes(change(bytes(stored)), config);
    await expect(refused).rejects.toThrow(sentence);
    await expect(refused).rejects.toThrow(ModelError);
  });

  test("of another lattice", async () => {
    const other = new CodecConfig({ levels: [5, 5], rates: [1] });
    await expect(Tables.fromBytes(bytes(stored), other)).rejects.toThrow(ModelError);
  });
});
