import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../", import.meta.url);

/** The content of a JSON file that Python wrote, by its path in the repository. */
export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(fileURLToPath(new URL(path, ROOT)), "utf8")) as T;
}

/** The bytes of any file of the repository. */
export function readBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(fileURLToPath(new URL(path, ROOT))));
}
