import { readFile } from "node:fs/promises";
import { defineConfig } from "vitest/config";

// Small WebAssembly files are imported as bytes, as the bundler has them.
const wasmBytes = {
  name: "wasm-bytes",
  enforce: "pre" as const,
  async load(id: string): Promise<string | undefined> {
    if (!id.endsWith(".wasm")) return undefined;
    const text = (await readFile(id)).toString("base64");
    return `export default Uint8Array.from(atob("${text}"), (letter) => letter.charCodeAt(0));`;
  },
};

// One process after the other: the machine is often busy, and no test may depend on time.
export default defineConfig({
  plugins: [wasmBytes],
  test: {
    include: ["tests/**/*.test.ts"],
    setupFiles: ["tests/setup.ts"],
    pool: "forks",
    maxWorkers: 2,
    minWorkers: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    server: { deps: { inline: [/fvad-wasm/] } },
  },
});
