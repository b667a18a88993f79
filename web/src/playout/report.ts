/** What a playout counted and measured, put together for the page and the report. */
import { SAMPLE_RATE } from "../pcm";
import type { JitterBuffer } from "./buffer";
import type { DelayEstimator } from "./delay";
import type { DelayHistogram, DelayParts, PlayoutStats } from "./stats";

/** What the playout itself counts; see PlayoutStats. `accelerated` and `expanded` are samples. */
export class PlayoutCounts {
  played = 0;
  concealed = 0;
  underruns = 0;
  keepalives = 0;
  outOfRange = 0;
  restarts = 0;
  accelerated = 0;
  expanded = 0;
}

/** Delays in milliseconds that the playout is told of; see DelayParts. */
export type OutsideDelays = Pick<
  DelayParts,
  "networkMs" | "deviceMs" | "processingMs" | "codecMs"
>;

/** What is neither counted nor estimated elsewhere; times in seconds. */
export interface PlayoutState {
  /** Samples of pauses. */
  readonly noiseSamples: number;
  readonly targetS: number;
  readonly actualS: number;
  readonly driftPpm: number;
  readonly leadInSamples: number | undefined;
}

/** All of it in the units of {@link PlayoutStats}. */
export function report(
  counts: Readonly<PlayoutCounts>,
  buffer: JitterBuffer,
  delay: DelayEstimator,
  delays: DelayHistogram,
  outside: OutsideDelays,
  state: PlayoutState,
): PlayoutStats {
  const held = buffer.counts;
  const packetisationMs = 1e3 * delay.packetisationS;

  const parts = (quantile: number): DelayParts => {
    const heldMs = delays.quantileMs(quantile);
    return {
      ...outside,
      packetisationMs: Math.min(packetisationMs, heldMs),
      jitterBufferMs: Math.max(0, heldMs - packetisationMs),
    };
  };

  return {
    received: held.received,
    played: counts.played,
    concealed: counts.concealed,
    comfortNoiseMs: (1e3 * state.noiseSamples) / SAMPLE_RATE,
    lost: held.missing,
    late: held.late,
    duplicate: held.duplicate,
    overflow: held.overflow,
    skipped: held.skipped,
    repaired: held.repaired,
    outOfRange: counts.outOfRange,
    keepalives: counts.keepalives,
    underruns: counts.underruns,
    stalls: delay.stalls,
    restarts: counts.restarts,
    acceleratedMs: (1e3 * counts.accelerated) / SAMPLE_RATE,
    expandedMs: (1e3 * counts.expanded) / SAMPLE_RATE,
    bufferedFrames: buffer.size,
    targetDelayMs: 1e3 * state.targetS,
    actualDelayMs: 1e3 * state.actualS,
    jitterMs: delay.jitterMs,
    driftPpm: state.driftPpm,
    delayP50: parts(0.5),
    delayP95: parts(0.95),
    leadInSamples: state.leadInSamples ?? null,
  };
}
