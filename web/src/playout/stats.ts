/** What the playout did: one record, for the page and the report. */

/** Mouth-to-ear delay in milliseconds, split. */
export interface DelayParts {
  /** One frame to fill and the look-ahead. */
  readonly codecMs: number;
  /** Waiting for the other frames of a message. */
  readonly packetisationMs: number;
  /** One way through the network, fastest case; given from outside. */
  readonly networkMs: number;
  /** Held back by the playout. */
  readonly jitterBufferMs: number;
  /** Sound devices of both ends; given from outside. */
  readonly deviceMs: number;
  /** Echo, noise and gain at the speaking end; given from outside. */
  readonly processingMs: number;
}

/** Mouth to ear. */
export const totalMs = (parts: DelayParts): number =>
  parts.codecMs +
  parts.packetisationMs +
  parts.networkMs +
  parts.jitterBufferMs +
  parts.deviceMs +
  parts.processingMs;

/** Counts since the beginning, and the delays now. Frames are 13.3 ms each. */
export interface PlayoutStats {
  /** Frames from the network, with those that were dropped. */
  readonly received: number;
  /** Frames decoded as they were received. */
  readonly played: number;
  /** Frames made up by the decoder in place of missing ones. */
  readonly concealed: number;
  /** Background noise played in pauses and after long losses. */
  readonly comfortNoiseMs: number;
  /** Sequence numbers that had not come when their turn was over. */
  readonly lost: number;
  /** Frames that came after their turn; each is in `lost` or `skipped` too. */
  readonly late: number;
  /** Frames that were here already. */
  readonly duplicate: number;
  /** Frames dropped because the buffer was full. */
  readonly overflow: number;
  /** Frames dropped to shorten the delay after a stall. */
  readonly skipped: number;
  /** Frames played from a copy of a lower rate, as they themselves were lost. */
  readonly repaired: number;
  /** Frames dropped because their numbers fit no stream. */
  readonly outOfRange: number;
  /** Frames of a pause, which are not played. */
  readonly keepalives: number;
  /** Times that the buffer ran empty inside a talk spurt. */
  readonly underruns: number;
  /** Times that the network held everything up for longer than any target delay. */
  readonly stalls: number;
  /** Times that the sender began a new stream. */
  readonly restarts: number;
  /** Speech left out by time-stretching. */
  readonly acceleratedMs: number;
  /** Speech repeated by time-stretching. */
  readonly expandedMs: number;
  /** Frames waiting now. */
  readonly bufferedFrames: number;
  /** What the delay is meant to be, packetisation included. */
  readonly targetDelayMs: number;
  /** What it was when the last frame was played. */
  readonly actualDelayMs: number;
  /** Inter-arrival jitter, RFC 3550. */
  readonly jitterMs: number;
  /** Sender's sound clock against ours; positive when the sender is faster. */
  readonly driftPpm: number;
  /** Percentiles over all frames played, split into parts. */
  readonly delayP50: DelayParts;
  readonly delayP95: DelayParts;
  /** Samples that were pulled before the first decoded one; null before it. */
  readonly leadInSamples: number | null;
}

/**
 * Percentiles of the playout delay over a call of any length, to one millisecond. As many counters
 * as there are different delays: a delay has no upper bound.
 */
export class DelayHistogram {
  readonly #counts = new Map<number, number>();
  #total = 0;

  /** Counts one frame that was played `delayS` seconds after its base. */
  add(delayS: number): void {
    const delayMs = Math.max(Math.trunc(delayS * 1e3), 0);
    this.#counts.set(delayMs, (this.#counts.get(delayMs) ?? 0) + 1);
    this.#total++;
  }

  /** The delay in milliseconds that the share `quantile` of frames did not exceed. */
  quantileMs(quantile: number): number {
    const rank = quantile * this.#total;
    let seen = 0;
    for (const [delayMs, count] of [...this.#counts].sort(([a], [b]) => a - b)) {
      seen += count;
      if (seen >= rank) return delayMs;
    }
    return 0;
  }
}
