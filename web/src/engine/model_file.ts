/**
 * A `.tflite` file of ours: the model, then a ZIP archive with its metadata, which LiteRT ignores.
 * As `check_file` of `q2d2_stream/engine/litert_runner.py`.
 */
import { crc32 } from "../crc32";
import { ModelError } from "../errors";

const METADATA_FILE = "q2d2.json";

const END = { signature: 0x0605_4b50, bytes: 22 };
const ENTRY = { signature: 0x0201_4b50, bytes: 46 };
const LOCAL = { signature: 0x0403_4b50, bytes: 30 };

/** Names and values as the exporter wrote them. */
export type Metadata = Readonly<Record<string, string>>;

/**
 * The metadata of a model file, which also says how to tell that the rest is whole.
 *
 * @throws ModelError: damaged, or not one of ours
 */
export function readMetadata(name: string, data: Uint8Array): Metadata {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let metadata: Metadata;
  let modelBytes: number;
  try {
    modelBytes = startOfArchive(view);
    metadata = JSON.parse(textOf(view, modelBytes)) as Metadata;
  } catch (error) {
    throw new ModelError(`${name} is not a q2d2-stream model (${String(error)})`);
  }
  const checksum = crc32(data.subarray(0, modelBytes)).toString(16).padStart(8, "0");
  if (checksum !== metadata["q2d2.crc32"])
    throw new ModelError(`${name} is damaged: its checksum is not the one it was written with`);
  return metadata;
}

/** Where the archive begins: at the local header of its one entry. */
function startOfArchive(view: DataView): number {
  const end = view.byteLength - END.bytes; // our archives have no comment
  expectSignature(view, end, END.signature);
  const directory = end - view.getUint32(end + 12, true);
  expectSignature(view, directory, ENTRY.signature);
  const nameBytes = view.getUint16(directory + 28, true);
  if (latin1(view, directory + ENTRY.bytes, nameBytes) !== METADATA_FILE)
    throw new RangeError(`its archive does not begin with ${METADATA_FILE}`);
  return view.getUint32(directory + 42, true);
}

function textOf(view: DataView, local: number): string {
  expectSignature(view, local, LOCAL.signature);
  const method = view.getUint16(local + 8, true);
  if (method !== 0) throw new RangeError(`its metadata is compressed by method ${method}`);
  const bytes = view.getUint32(local + 18, true);
  const start =
    local + LOCAL.bytes + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  return latin1(view, start, bytes);
}

function expectSignature(view: DataView, at: number, signature: number): void {
  if (view.getUint32(at, true) !== signature) throw new RangeError("it has no archive of metadata");
}

/** The exporter writes ASCII alone. */
function latin1(view: DataView, at: number, length: number): string {
  return new TextDecoder("latin1").decode(
    new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset + at, length),
  );
}
