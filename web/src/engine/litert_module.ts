/**
 * LiteRT as WebAssembly, without the wrapper of `@litertjs/core`, whose `loadLiteRt` asks for a GPU
 * and whose `run` is asynchronous: on the processor a frame is computed within the call. The
 * version is pinned, since these bindings are what that wrapper itself is built on.
 */
import type { LiteRt } from "@litertjs/core";

/** The bindings that Emscripten made. */
export type LiteRtModule = LiteRt["liteRtWasm"];

interface FactoryOptions {
  locateFile(name: string): string;
  print(line: string): void;
  printErr(line: string): void;
}

/** What LiteRT's script leaves behind. */
export type ModuleFactory = (options: FactoryOptions) => Promise<LiteRtModule>;

/** The module `(func (result v128) i8x16.relaxed_swizzle)`: Safari has no relaxed SIMD. */
const RELAXED_SIMD = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1],
  ...[253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
);

/** The name of the script for this machine, without its ending; that of the wasm file too. */
export function liteRtName(): string {
  return WebAssembly.validate(RELAXED_SIMD)
    ? "litert_wasm_internal"
    : "litert_wasm_compat_internal";
}

/** Start LiteRT; `locate` says where a file of its folder is. */
export async function startLiteRt(
  factory: ModuleFactory,
  locate: (name: string) => string,
): Promise<LiteRtModule> {
  const module = await factory({
    locateFile: locate,
    print: () => undefined,
    // It greets on the error output; what matters it throws.
    printErr: () => undefined,
  });
  module.setupLogging();
  return module;
}
