/** One face for every inference engine: named tensors in and out, state beside them. */
import type { Metadata } from "./model_file";

/** Tensors by name; those of a state without "state." and "next.". */
export type Tensors = Readonly<Record<string, Float32Array>>;

/** A network of one frame per step. Every initial state is all zeros. */
export interface ModelRunner {
  /** What the exporter wrote into the model file. */
  readonly metadata: Metadata;

  /** The state before the first frame. */
  initialState(): Tensors;

  /**
   * Run one frame.
   *
   * @param inputs all that are not state
   * @param state as returned by the step before, or {@link initialState}; not modified
   */
  step(inputs: Tensors, state: Tensors): { output: Float32Array; state: Tensors };
}
