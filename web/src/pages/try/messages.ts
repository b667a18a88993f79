/** What page and codec worker say to each other. */

/** Load the codec, or code a sound at one rate. */
export type Request =
  | { readonly id: number; readonly kind: "load" }
  | {
      readonly id: number;
      readonly kind: "code";
      readonly rate: string;
      readonly pcm: Float32Array;
    };

/** One step of the ladder. */
export interface RateInfo {
  readonly name: string;
  /** Nominal kilobits per second. */
  readonly kbps: number;
}

/** The codec, loaded. */
export interface Loaded {
  readonly modelId: string;
  readonly rates: readonly RateInfo[];
  /** Addresses of all that the worker fetched, for the service worker to keep. */
  readonly files: readonly string[];
}

/** A sound at one rate, and what it took. */
export interface Coded {
  /** As long as what was coded, and in step with it. */
  readonly pcm: Float32Array<ArrayBuffer>;
  /** As a call sends them, three frames each, without what the network adds. */
  readonly packets: readonly Uint8Array[];
  /** Milliseconds of every frame. */
  readonly encodeMs: Float64Array;
  readonly decodeMs: Float64Array;
}

export type Reply =
  | { readonly id: number; readonly loaded: Loaded }
  | { readonly id: number; readonly coded: Coded }
  | { readonly id: number; readonly error: string };
