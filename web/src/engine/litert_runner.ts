/** A graph run by LiteRT on one thread. */
import type { CompiledModel } from "@litertjs/core";
import { ModelError } from "../errors";
import type { LiteRtModule } from "./litert_module";
import { readMetadata, type Metadata } from "./model_file";
import type { ModelRunner, Tensors } from "./runner";

type Compiled = Awaited<ReturnType<LiteRtModule["compileModel"]>>;
type Buffer = ReturnType<LiteRtModule["LiteRtTensorBuffer"]["createManaged"]>;
type Options = CompiledModel["options"];

const STATE = "state.";
const NEXT = "next.";

/** Largest share of the probe's energy that an engine may get wrong, as in Python. */
const PROBE_TOLERANCE = 0.1;

interface Input {
  readonly name: string;
  readonly length: number;
  readonly buffer: Buffer;
}

/**
 * A `.tflite` file whose inputs named `state.*` become the outputs named `next.*`. Between frames
 * all tensors are plain arrays, so that streams are cheap, and nothing outside of a step has to be
 * freed; copying them takes 5 % of a step.
 */
export class LitertRunner implements ModelRunner {
  readonly metadata: Metadata;

  readonly #module: LiteRtModule;
  readonly #compiled: Compiled;
  readonly #inputs: readonly Input[];
  readonly #outputs: readonly string[];
  readonly #zeros: Tensors;

  private constructor(
    module: LiteRtModule,
    compiled: Compiled,
    inputs: Input[],
    outputs: string[],
    metadata: Metadata,
  ) {
    this.metadata = metadata;
    this.#module = module;
    this.#compiled = compiled;
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#zeros = Object.fromEntries(
      inputs
        .filter(({ name }) => name.startsWith(STATE))
        .map(({ name, length }) => [name.slice(STATE.length), new Float32Array(length)]),
    );
  }

  /**
   * Load and try.
   *
   * @throws ModelError: the file is damaged or not laid out this way, or the engine computes
   *     something else than the exporter did
   */
  static async load(module: LiteRtModule, name: string, data: Uint8Array): Promise<LitertRunner> {
    const metadata = readMetadata(name, data);
    // No device: without it the environment is for the processor alone.
    const environment = module.LiteRtEnvironment.create(null);
    const address = module._malloc(data.length);
    module.HEAPU8.set(data, address); // stays there: the model's weights are read from it
    let runner: LitertRunner;
    try {
      const model = module.loadModel(environment, address, data.length);
      const options = {
        accelerator: "wasm",
        cpuOptions: { numThreads: 1 },
        gpuOptions: {},
        webNNOptions: {},
      };
      const compiled = await module.compileModel(environment, model, options as Options);
      const signature = model.getSignature(0);
      const inputs = namesOf(signature.inputNames()).map((each, at) => {
        const type = model.getInputTensorType(0, at);
        const bytes = type.bytes();
        const { HOST_MEMORY } = module.LiteRtTensorBufferType;
        const buffer = module.LiteRtTensorBuffer.createManaged(
          environment,
          HOST_MEMORY,
          type,
          bytes,
        );
        type.delete();
        return { name: each, length: bytes / Float32Array.BYTES_PER_ELEMENT, buffer };
      });
      const outputs = namesOf(signature.outputNames());
      signature.delete();
      runner = new LitertRunner(module, compiled, inputs, outputs, metadata);
      runner.#checkLayout(name);
    } catch (error) {
      if (error instanceof ModelError) throw error;
      throw new ModelError(`LiteRT cannot run ${name} (${String(error)})`);
    }
    runner.#checkProbe(name);
    return runner;
  }

  initialState(): Tensors {
    return this.#zeros;
  }

  step(inputs: Tensors, state: Tensors): { output: Float32Array; state: Tensors } {
    for (const { name, length, buffer } of this.#inputs) {
      const values = name.startsWith(STATE) ? state[name.slice(STATE.length)] : inputs[name];
      if (values?.length !== length)
        throw new ModelError(`the model wants ${length} values of ${name}, ${values?.length} came`);
      this.#write(buffer, values);
    }
    // The build without JSPI computes at once; its type covers the other one as well.
    const buffers = this.#compiled.run(
      0,
      this.#inputs.map(({ buffer }) => buffer),
    ) as Buffer[];
    let output = new Float32Array();
    const after: Record<string, Float32Array> = {};
    buffers.forEach((buffer, at) => {
      const name = this.#outputs[at]!;
      const values = this.#read(buffer);
      buffer.delete();
      if (name.startsWith(NEXT)) after[name.slice(NEXT.length)] = values;
      else output = values;
    });
    return { output, state: after };
  }

  #write(buffer: Buffer, values: Float32Array): void {
    const { LiteRtTensorBufferLockMode: Mode, HEAPU8 } = this.#module;
    const address = buffer.lock(Mode.WRITE);
    new Float32Array(HEAPU8.buffer as ArrayBuffer, address, values.length).set(values);
    buffer.unlock();
  }

  #read(buffer: Buffer): Float32Array<ArrayBuffer> {
    const { LiteRtTensorBufferLockMode: Mode, HEAPU8 } = this.#module;
    const address = buffer.lock(Mode.READ);
    const length = buffer.packedSize() / Float32Array.BYTES_PER_ELEMENT;
    const values = new Float32Array(HEAPU8.buffer as ArrayBuffer, address, length).slice();
    buffer.unlock();
    return values;
  }

  #checkLayout(name: string): void {
    const state = Object.keys(this.#zeros);
    const after = this.#outputs.filter((each) => each.startsWith(NEXT));
    const isLoop = state.every((each) => after.includes(NEXT + each));
    if (state.length === 0 || after.length !== state.length || !isLoop)
      throw new ModelError(`${name} is not a q2d2-stream model: it has no state inputs`);
  }

  /** Compares the second of two equal, known frames with what the exporter got. */
  #checkProbe(name: string): void {
    const plain = this.#inputs.filter((input) => !input.name.startsWith(STATE));
    const waves = plain.map(({ name: input, length }) => [
      input,
      Float32Array.from({ length }, (_, n) => 0.5 * Math.sin(1 + 0.7 * n)),
    ]);
    const inputs = Object.fromEntries(waves) as Tensors;
    const { state } = this.step(inputs, this.#zeros);
    const found = this.step(inputs, state).output;
    const expected = JSON.parse(this.metadata["q2d2.probe"] ?? "[]") as number[];
    const energy = expected.reduce((sum, value) => sum + value ** 2, 0);
    const miss = expected.reduce((sum, value, n) => sum + ((found[n] ?? NaN) - value) ** 2, 0);
    if (!(miss <= PROBE_TOLERANCE * energy))
      throw new ModelError(
        `LiteRT computes ${name} wrongly in this browser: try another browser, and report it`,
      );
  }
}

/** The strings of a C++ vector, which is freed. */
function namesOf(vector: { size(): number; get(at: number): unknown; delete(): void }): string[] {
  const names = Array.from({ length: vector.size() }, (_, at) => String(vector.get(at)));
  vector.delete();
  return names;
}
