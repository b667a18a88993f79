import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { CodecFiles } from "../src/engine/files";
import {
  liteRtName,
  startLiteRt,
  type LiteRtModule,
  type ModuleFactory,
} from "../src/engine/litert_module";
import { readBytes } from "./vectors";

type Run = (require: NodeJS.Require, file: string, folder: string) => ModuleFactory;

const require = createRequire(import.meta.url);

/** The shipped models, run by the same WebAssembly as in a browser. */
export class DiskFiles implements CodecFiles {
  static #engine: Promise<LiteRtModule> | undefined;

  /** Started once: compiling takes seconds on a busy machine. */
  async engine(): Promise<LiteRtModule> {
    return (DiskFiles.#engine ??= this.#start());
  }

  async #start(): Promise<LiteRtModule> {
    const package_ = dirname(require.resolve("@litertjs/core/package.json"));
    const script = join(package_, "wasm", `${liteRtName()}.js`);
    // Its package says that scripts are modules; this one is not.
    const source = `${readFileSync(script, "utf8")};return ModuleFactory`;
    const run = new Function("require", "__filename", "__dirname", source);
    const factory = (run as Run)(require, script, dirname(script));
    return startLiteRt(factory, (name) => join(dirname(script), name));
  }

  async model(name: string): Promise<Uint8Array | null> {
    const path = `q2d2_stream/models/${name}`;
    return existsSync(new URL(`../../${path}`, import.meta.url)) ? readBytes(path) : null;
  }
}
