/**
 * How long to hold frames back: a target delay from the arrival jitter.
 *
 * Every message has a *lateness*: arrival time minus sender time of its last frame. The smallest
 * lateness of the last ten seconds is the base, the fastest way through the network; what lies
 * above it is jitter:
 *
 *     lateness   |        x                          one message each
 *                |  x        x    x   x
 *     target  - -|- - - - - - - - - - - - - - - -    quantile + margin
 *                |     x    x  x    x    x  x
 *     base    ---|--x----x----x--x-----x----x---     smallest of ten seconds
 *                +------------------------------> arrival
 *
 * A delay of up to 100 ms is cheap: it covers the worst message of each half second, as WebRTC's
 * NetEQ does (`underrun_optimizer`). Beyond that only what is common is worth its delay: the 97 %
 * quantile of all messages. Over TCP one lost packet holds up all that follow for two round trips,
 * so the worst of a half second would be a second of delay for ever.
 *
 * Lateness is kept for seven seconds, absolute, so that a base that moves (another route, a clock
 * that drifts) takes the memory along. The target rises at once and falls by 100 ms a half second.
 */
import { InputError } from "../errors";

const PEAK_QUANTILE = 0.95;
const MESSAGE_QUANTILE = 0.97;
const CHEAP_S = 0.1;
const PEAK_S = 0.5;
const MEMORY_S = 7.0;
const MEMORY_MESSAGES = 1024;
const BASE_WINDOW_S = 10.0;
const BASE_WINDOW_MESSAGES = 50; // the base outlives a pause: it expires by age and by count
const FALL_S = 0.1; // the target falls by at most this per half second
const DEAD_S = 0.005; // and only when it would fall by more than this
const OUTLIER_S = 0.06; // a peak this far above the target needs a second one within
const OUTLIER_MEMORY_S = 20.0;
const OUTLIER_REST_S = 0.9; // what follows within this belongs to the same event
const PACKET_MEMORY = 16;

export interface DelayBounds {
  /** Least target for the jitter. */
  readonly minimumMs?: number;
  /**
   * Largest target for the jitter. Anything later than this is a stall, which no delay can cover:
   * it is counted and left out of the statistics.
   */
  readonly maximumMs?: number;
  /** Target until the jitter is known. */
  readonly startMs?: number;
  /** Added to the quantile. */
  readonly marginMs?: number;
}

interface Timed {
  readonly time: number;
  readonly lateness: number;
}

/**
 * Target delay for a stream of messages, and the delay at which a frame is being played.
 *
 * Delays count from the moment at which a frame would have come by the fastest way, as the last
 * frame of its message. So the target of a message of n frames holds n - 1 frames of packetisation
 * on top of the jitter.
 */
export class DelayEstimator {
  /** Times that the network held everything up for longer than any target. */
  stalls = 0;
  /** d lateness / d time, from the drift estimator. */
  skew = 0;
  readonly #frameS: number;
  readonly #minimumS: number;
  readonly #maximumS: number;
  readonly #marginS: number;
  #targetS: number;
  readonly #packets: number[] = [];
  #packetFrames = 1;
  #jitterS = 0;
  #repairS = 0;
  #repairUntil = -Infinity;
  #minima: (Timed & { readonly count: number })[] = []; // ascending
  #messages = 0;
  #base = 0;
  #peaks: Timed[] = [];
  #late: Timed[] = [];
  #recent: number[] = []; // lateness in the half second that runs
  #recentSince = 0;
  #offset = 0;
  #offsetTime = 0;
  #last: { readonly lateness: number; readonly timestampFrames: number } | undefined;
  #isDraining = false;
  #outlierTime = -Infinity;

  /** `frameS` is the length of a frame in seconds. Throws InputError unless 0 <= min <= max. */
  constructor(
    frameS: number,
    { minimumMs = 20, maximumMs = 500, startMs = 30, marginMs = 10 }: DelayBounds = {},
  ) {
    if (!(0 <= minimumMs && minimumMs <= maximumMs))
      throw new InputError(
        `the playout delay is ${minimumMs} to ${maximumMs} ms, ` +
          "expected a minimum of at least 0 and a maximum not below it",
      );
    this.#frameS = frameS;
    this.#minimumS = minimumMs / 1e3;
    this.#maximumS = maximumMs / 1e3;
    this.#marginS = marginMs / 1e3;
    this.#targetS = clamp(startMs / 1e3, this.#minimumS, this.#maximumS);
  }

  /** Forgets the sender's time origin (it starts anew) but keeps what is known of jitter. */
  rebase(): void {
    this.#minima = [];
    this.#messages = 0;
    this.#base = 0;
    this.#peaks = [];
    this.#late = [];
    this.#recent = [];
    this.#recentSince = 0;
    this.#offset = this.#offsetTime = 0;
    this.#last = undefined;
    this.#isDraining = false;
    this.#outlierTime = -Infinity;
  }

  /** Frames per message: the largest number among the latest messages. */
  get packetFrames(): number {
    return this.#packetFrames;
  }

  /** How long the first frame of a message waits for the last one, in seconds. */
  get packetisationS(): number {
    return (this.#packetFrames - 1) * this.#frameS;
  }

  /** Delay to play at, in seconds: packetisation, jitter, and waiting for a copy. */
  get targetS(): number {
    return this.#targetS + this.packetisationS + this.#repairS;
  }

  /** Inter-arrival jitter in milliseconds, smoothed as in RFC 3550 section 6.4.1. */
  get jitterMs(): number {
    return 1e3 * this.#jitterS;
  }

  /** Delay of a frame that is played at `now`, in seconds; may be negative. */
  delayS(timestampFrames: number, now: number): number {
    return this.#lateness(timestampFrames, now) - this.#base;
  }

  /**
   * Takes note of a message of `frames` frames that came at `now`, in seconds.
   * `timestampFrames` is the unwrapped sender time of its last frame. With `start` the message
   * begins a talk spurt: its pre-roll comes in one burst, late because the sender kept it back;
   * that is no jitter.
   */
  put(timestampFrames: number, frames: number, now: number, start = false): void {
    this.#packets.push(frames);
    if (this.#packets.length > PACKET_MEMORY) this.#packets.shift();
    this.#packetFrames = Math.max(...this.#packets);
    if (this.#messages === 0) this.#offsetTime = now;
    this.#offset += this.skew * (now - this.#offsetTime);
    this.#offsetTime = now;
    const lateness = this.#lateness(timestampFrames, now);
    this.#updateBase(lateness, now);
    const last = this.#last;
    this.#last = { lateness, timestampFrames };
    if (last !== undefined && !start)
      this.#jitterS += (Math.abs(lateness - last.lateness) - this.#jitterS) / 16.0;
    if (this.#isStall(lateness, timestampFrames, last, start)) return;
    if (this.#recent.length === 0) this.#recentSince = now;
    this.#recent.push(lateness);
    if (now - this.#recentSince < PEAK_S) return;
    const peak = Math.max(...this.#recent);
    if (!this.#isLone(peak, now)) {
      this.#peaks.push({ time: now, lateness: peak });
      for (const late of this.#recent) this.#late.push({ time: now, lateness: late });
      this.#late.splice(0, this.#late.length - MEMORY_MESSAGES);
    }
    this.#recent = [];
    this.#updateTarget(now);
  }

  /**
   * A lost message was made good by a copy that came `frames` frames later; while that goes on,
   * frames wait for their copies.
   */
  repaired(frames: number, now: number): void {
    this.#repairS = Math.max(this.#repairS, frames * this.#frameS);
    this.#repairUntil = now + MEMORY_S;
  }

  #lateness(timestampFrames: number, now: number): number {
    const drifted = this.#offset + this.skew * (now - this.#offsetTime);
    return now - timestampFrames * this.#frameS - drifted;
  }

  #updateBase(lateness: number, now: number): void {
    this.#messages++;
    const minima = this.#minima;
    while (minima.length > 0 && minima.at(-1)!.lateness >= lateness) minima.pop();
    minima.push({ count: this.#messages, time: now, lateness });
    while (
      now - minima[0]!.time > BASE_WINDOW_S &&
      this.#messages - minima[0]!.count > BASE_WINDOW_MESSAGES
    )
      minima.shift();
    this.#base = minima[0]!.lateness;
  }

  #isStall(
    lateness: number,
    timestampFrames: number,
    last: { readonly lateness: number; readonly timestampFrames: number } | undefined,
    start: boolean,
  ): boolean {
    if (lateness - this.#base > this.#maximumS) {
      if (!this.#isDraining) this.stalls++;
      this.#isDraining = true;
      return true;
    }
    if (start) {
      this.#isDraining = true;
      return true;
    }
    if (this.#isDraining && last !== undefined) {
      // What was held up comes faster than it was sent: the tail of the same stall.
      const caughtUp = last.lateness - lateness;
      const sent = (timestampFrames - last.timestampFrames) * this.#frameS;
      this.#isDraining = caughtUp > 0.25 * sent && sent > 0;
    }
    return this.#isDraining;
  }

  /**
   * A short stall that happens once must not hold the delay up; from the second one on it is worth
   * the delay.
   */
  #isLone(peak: number, now: number): boolean {
    if (peak - this.#base <= this.#targetS + OUTLIER_S) return false;
    const since = now - this.#outlierTime;
    if (since > OUTLIER_MEMORY_S) this.#outlierTime = now;
    return since > OUTLIER_MEMORY_S || since < OUTLIER_REST_S;
  }

  #updateTarget(now: number): void {
    for (const memory of [this.#peaks, this.#late])
      while (memory.length > 0 && now - memory[0]!.time > MEMORY_S) memory.shift();
    const common = quantile(this.#late, MESSAGE_QUANTILE) - this.#base;
    const worst = quantile(this.#peaks, PEAK_QUANTILE) - this.#base;
    const wanted = clamp(
      Math.max(common, Math.min(worst, CHEAP_S)) + this.#marginS,
      this.#minimumS,
      this.#maximumS,
    );
    if (wanted > this.#targetS) this.#targetS = wanted;
    else if (this.#targetS - wanted > DEAD_S)
      this.#targetS = Math.max(wanted, this.#targetS - FALL_S);
    if (now >= this.#repairUntil) this.#repairS = 0;
  }
}

const clamp = (value: number, least: number, most: number): number =>
  Math.min(Math.max(value, least), most);

/** The smallest lateness that at least so large a share does not exceed; -infinity of none. */
function quantile(values: readonly Timed[], share: number): number {
  if (values.length === 0) return -Infinity;
  const sorted = Float64Array.from(values, ({ lateness }) => lateness).sort();
  return sorted[Math.ceil(share * sorted.length - 1e-9) - 1]!;
}
