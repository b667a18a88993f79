/** Receiving a call: jitter buffer, target delay, time-stretching, drift. See {@link Playout}. */
export { playoutOptions, type PlayoutOptions } from "./options";
export type { Decoder } from "./pauses";
export { Playout, type KnownDelays } from "./playout";
export { totalMs, type DelayParts, type PlayoutStats } from "./stats";
