/** WebRTC's voice activity detector: libfvad, compiled to WebAssembly (20 kB). */
import wasm from "@echogarden/fvad-wasm/fvad.wasm";
import { InputError } from "../errors";

/** Of the blocks that it judges: 10 ms, the shortest that it takes. */
export const VAD_BLOCK_SAMPLES = 160;
export const VAD_SAMPLE_RATE = 16_000;

// What version 0.2.0 of the package calls libfvad's functions (see its fvad.js).
interface Library {
  readonly c: WebAssembly.Memory;
  readonly d: () => void; // constructors
  readonly e: () => number; // fvad_new
  readonly f: (bytes: number) => number; // malloc
  readonly g: (vad: number) => void; // fvad_reset
  readonly j: (vad: number, mode: number) => number; // fvad_set_mode
  readonly k: (vad: number, sampleRate: number) => number; // fvad_set_sample_rate
  readonly l: (vad: number, pcm: number, samples: number) => number; // fvad_process
}

let module: WebAssembly.Module | undefined;

/** Says of 10 ms whether they hold voice; knows what came before. */
export class WebRtcVad {
  readonly #library: Library;
  readonly #vad: number;
  readonly #block: number; // address
  readonly #mode: number;

  /** `mode` is 0 (calls most sounds voice) to 3 (misses most voice). */
  constructor(mode = 0) {
    if (![0, 1, 2, 3].includes(mode)) throw new InputError(`mode is ${mode}, expected 0 to 3`);
    module ??= new WebAssembly.Module(wasm);
    const refuse = (): never => {
      throw new Error("the voice detector failed");
    };
    const { exports } = new WebAssembly.Instance(module, { a: { a: refuse, b: () => 0 } });
    const library = exports as unknown as Library;
    library.d();
    this.#library = library;
    this.#mode = mode;
    this.#vad = library.e();
    this.#block = library.f(2 * VAD_BLOCK_SAMPLES);
    this.reset();
  }

  /** Forgets the blocks before. */
  reset(): void {
    this.#library.g(this.#vad);
    this.#library.j(this.#vad, this.#mode);
    this.#library.k(this.#vad, VAD_SAMPLE_RATE);
  }

  /** Judges the next 160 samples, 16 bits at 16 kHz. */
  isSpeech(block: Int16Array): boolean {
    if (block.length !== VAD_BLOCK_SAMPLES)
      throw new InputError(`a block has ${block.length} samples, expected ${VAD_BLOCK_SAMPLES}`);
    new Int16Array(this.#library.c.buffer, this.#block).set(block);
    return this.#library.l(this.#vad, this.#block, block.length) === 1;
  }
}
