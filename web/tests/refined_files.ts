import { crc32 } from "../src/crc32";
import { readMetadata } from "../src/engine/model_file";
import { DiskFiles } from "./disk_files";

/** The shipped model, with its entropy tables or without. */
export class RefinedFiles extends DiskFiles {
  constructor(private readonly withTables = true) {
    super();
  }

  override async model(name: string): Promise<Uint8Array | null> {
    return name.endsWith(".tflite") || this.withTables ? super.model(name) : null;
  }
}

/** The same model with other metadata: a ZIP archive of one stored file, as the exporter writes it. */
export function withMetadata(
  name: string,
  data: Uint8Array,
  changes: Record<string, string>,
): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const directory = data.length - 22 - view.getUint32(data.length - 10, true);
  const model = Buffer.from(data.subarray(0, view.getUint32(directory + 42, true)));
  const text = Buffer.from(JSON.stringify({ ...readMetadata(name, data), ...changes }));
  const file = Buffer.from("q2d2.json");
  const common = Buffer.alloc(26); // version to the length of extra fields
  common.writeUInt32LE(crc32(text), 10);
  common.writeUInt32LE(text.length, 14);
  common.writeUInt32LE(text.length, 18);
  common.writeUInt16LE(file.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04"), common, file, text]);
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE(model.length, 10);
  const entry = Buffer.concat([Buffer.from("PK\x01\x02\0\0"), common, rest, file]);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length, 12);
  end.writeUInt32LE(model.length + local.length, 16);
  return Uint8Array.from(Buffer.concat([model, local, entry, end]));
}
