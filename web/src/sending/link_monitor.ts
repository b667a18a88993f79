/**
 * What the echoes of sent messages tell of the link: round trip, standing queue, delivery rate.
 *
 * The peer names the newest message that it has, and for how long it has had it. One such echo gives
 * a round trip of a message of full size, and says how much has been delivered:
 *
 *     round trip |              x  .-'  x       x: one message each
 *                |       x  .-'  x
 *                |   x  .-'   x                 the trend: a line of least squares
 *                |  .-'  x
 *       base  ---|----x-------------------      the smallest of 30 to 60 seconds
 *
 * Jitter scatters the round trips, a queue lifts all of them. So what the trend has reached tells of
 * a queue only where it exceeds the scatter around it, and a queue that grows or drains is no
 * scatter.
 */
import { distance } from "../protocol/sequence";

const MAX_UNDER_WAY = 512;
const WINDOW_S = 1;
const WINDOW_ECHOES = 4; // a thin link has few messages per second: at least so many make a window
const MEMORY_S = 12;
const BASE_S = 30;
const SPREAD_EVERY_S = 0.5;
const SPREADS = 24;
const FEW = 12;
const RATE_S = 3;
const SPREAD_FACTOR = 2.5;
const SPREAD_LEAST_S = 0.15;
const SPREAD_OF_BASE = 1.5;

interface Sent {
  readonly sequence: number;
  readonly bits: number;
  readonly at: number;
}

interface EchoSeen {
  readonly at: number;
  readonly sentAt: number;
  readonly rttS: number;
  /** Since the beginning. */
  readonly deliveredBits: number;
}

/** A window, kept. */
interface Seen {
  readonly at: number;
  readonly spreadS: number;
  readonly bps: number;
}

/** A window of echoes. */
export interface Delivery {
  /** The trend's round trip at the end of the window, above the base. */
  readonly queueS: number;
  /** How far the round trips lie apart around the trend, here or usually. */
  readonly spreadS: number;
  /** Bits per second that arrived, the most of the windows of three seconds. */
  readonly bps: number;
}

/** Growth of the round trip in seconds per second, and the middle of the echoes' times. */
function trend(echoes: readonly EchoSeen[]): { slope: number; middleS: number } {
  const middleS = mean(echoes.map((echo) => echo.at));
  let scale = 0;
  let slope = 0;
  for (const echo of echoes) {
    scale += (echo.at - middleS) ** 2;
    slope += (echo.at - middleS) * echo.rttS;
  }
  return { slope: scale > 0 ? slope / scale : 0, middleS };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Follows the messages of one path; `now` in seconds from any monotonic origin. */
export class LinkMonitor {
  #lastSentAt = -Infinity;
  #underWay: Sent[] = [];
  #echoes: EchoSeen[] = [];
  #deliveredBits = 0;
  #seen: Seen[] = [];
  // Two halves that take turns.
  #base: readonly [number, number] = [Infinity, Infinity];
  #turnAt: number | null = null;
  #intervalS = 0;
  #lastEchoAt: number | null = null;

  /** When the latest message was sent. */
  get lastSentAt(): number {
    return this.#lastSentAt;
  }

  /** The latest round trip; null before the first. */
  get rttS(): number | null {
    return this.#echoes.at(-1)?.rttS ?? null;
  }

  /** The smallest round trip of the last 30 to 60 seconds; null before the first. */
  get baseS(): number | null {
    const base = Math.min(...this.#base);
    return base < Infinity ? base : null;
  }

  /** Mean time between echoes, which is how late the news of an arrival may be. */
  get intervalS(): number {
    return this.#intervalS;
  }

  /** When the latest echo came. */
  get lastEchoAt(): number | null {
    return this.#lastEchoAt;
  }

  /** A message that begins with `sequence` was sent, `bits` on the wire. */
  sent(sequence: number, bits: number, now: number): void {
    this.#lastSentAt = now;
    this.#underWay.push({ sequence, bits, at: now });
    if (this.#underWay.length > MAX_UNDER_WAY) this.#underWay.shift();
  }

  /** The peer says that the message from `sequence` on is the newest it has. */
  echo(sequence: number, heldS: number, now: number): void {
    let newest: Sent | undefined;
    while (this.#underWay[0] && distance(this.#underWay[0].sequence, sequence) >= 0) {
      newest = this.#underWay.shift()!;
      this.#deliveredBits += newest.bits;
    }
    if (newest?.sequence !== sequence) return;
    const rttS = Math.max(0, now - newest.at - heldS);
    if (this.#turnAt === null || now >= this.#turnAt) {
      this.#base = [rttS, this.#base[0]];
      this.#turnAt = now + BASE_S;
    }
    this.#base = [Math.min(this.#base[0], rttS), this.#base[1]];
    if (this.#lastEchoAt !== null)
      this.#intervalS += 0.2 * (Math.min(now - this.#lastEchoAt, 1) - this.#intervalS);
    this.#lastEchoAt = now;
    const deliveredBits = this.#deliveredBits;
    this.#echoes = this.#echoes.filter((each) => now - each.at <= MEMORY_S);
    this.#echoes.push({ at: now, sentAt: newest.at, rttS, deliveredBits });
  }

  /** What nine of ten round trips of the last twelve seconds did not exceed. */
  get usualRttS(): number {
    const trips = this.#echoes.map((echo) => echo.rttS).sort((one, other) => one - other);
    return trips[Math.floor(0.9 * (trips.length - 1))] ?? 0;
  }

  /** How far the round trips lie apart around their trend, in half of the windows. */
  get usualSpreadS(): number {
    const spreads = this.#seen.map((seen) => seen.spreadS);
    // While little has been seen, the most of it.
    return spreads.length < FEW ? Math.max(0, ...spreads) : median(spreads);
  }

  /** Age of the oldest message that has not been echoed; 0 when there is none. */
  unechoedS(now: number): number {
    return this.#underWay[0] ? Math.max(0, now - this.#underWay[0].at) : 0;
  }

  /** The last second of echoes, of messages sent after `since`; null while they are few. */
  window(now: number, since: number): Delivery | null {
    const echoes = this.#echoes.filter((echo) => echo.sentAt >= since);
    let recent = echoes.filter((echo) => now - echo.at <= WINDOW_S);
    if (recent.length < WINDOW_ECHOES) recent = echoes.slice(-WINDOW_ECHOES);
    const { baseS } = this;
    if (recent.length < WINDOW_ECHOES || baseS === null) return null;
    const { slope, middleS } = trend(recent);
    const around = recent.map((echo) => echo.rttS - slope * (echo.at - middleS));
    const [first, last] = [recent[0]!, recent.at(-1)!];
    const elapsedS = last.at - first.at;
    const bits = last.deliveredBits - first.deliveredBits;
    const spreadS = Math.max(...around) - Math.min(...around);
    const bps = elapsedS > 0 ? bits / elapsedS : 0;
    if (now - (this.#seen.at(-1)?.at ?? -Infinity) >= SPREAD_EVERY_S) {
      this.#seen.push({ at: now, spreadS, bps });
      if (this.#seen.length > SPREADS) this.#seen.shift();
    }
    // Jitter that keeps the order comes in blocks: some windows show little of it, and little of
    // what the link carries. A short link has little jitter; what else scatters there comes from a
    // queue.
    const mostS = Math.max(SPREAD_LEAST_S, SPREAD_OF_BASE * baseS);
    const trips = mean(recent.map((echo) => echo.rttS));
    const kept = this.#seen.filter((seen) => now - seen.at <= RATE_S).map((seen) => seen.bps);
    return {
      queueS: trips + slope * (last.at - middleS) - baseS,
      spreadS: Math.max(spreadS, Math.min(SPREAD_FACTOR * this.usualSpreadS, mostS)),
      bps: Math.max(bps, ...kept),
    };
  }
}
