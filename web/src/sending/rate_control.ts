/**
 * The sender's controller: what the link carries decides frames per message and rate.
 *
 * The settings form a ladder, from one frame per message at the wanted rate (least delay) through
 * more frames per message (fewer headers) to lower rates (less sound). A queue in the link, told
 * apart from jitter by {@link LinkMonitor}, costs steps at once: down to what the link has just
 * delivered. Where nothing arrives at all the link stalls: nothing is handed to it, what gets old is
 * dropped, and no step is lost. The way back up is one step at a time, quick until the first failure,
 * then slower after each.
 *
 * The twin of `q2d2_stream/sending/rate_control.py` for websockets, which lose no messages and tell
 * nothing of what they can carry.
 */
import type { CodecConfig } from "../config";
import type { IndexCoder } from "../entropy/indices";
import { InputError } from "../errors";
import { MAX_PACKET_FRAMES } from "../packet";
import { AUDIO_OVERHEAD_BYTES } from "../protocol/sealing";
import type { WebSocketLink } from "./link";
import { LinkMonitor } from "./link_monitor";

// What an audio message has around its indices: counter and tag, flags, TOC.
const AUDIO_BYTES = AUDIO_OVERHEAD_BYTES + 2;
// The echo that rides on some messages.
const ECHO_BYTES = 6;
const FRAMES_LADDER = [1, 2, 3, 4, 6, 8, 10, 12, 16];
// Frames that wait in this program and the system, as time: a backlog; above the second, frames are
// dropped until as few are left as the first allows.
const BACKLOG_MS = 100;
const DROP_ABOVE_MS = 240;
// A standing queue: above this and half a message's own length, and above the window's spread.
const QUEUE_S = 0.08;
// A message without an echo for so long beyond what is usual: nothing more is put behind it.
const HOLD_S = 0.25;
// While it is stalled, a message is let through so often.
const PROBE_S = 1;
// No echo at all for so long: a stall, in which nothing can be learnt.
const STALL_S = 0.4;
const PATIENCE_S = 0.6;
const QUEUE_PATIENCE_S = 0.5;
// Of what was delivered while a queue stood: the rest drains it, and is the margin ever after.
const SHARE = 0.88;
// The wait before a step up: while the link has never been full, within what the handshake showed
// and beyond it; to a setting that it is known to carry; to another one, and after failures.
const CLIMB_FIRST_S = 0.5;
const CLIMB_UNKNOWN_S = 2;
const CLIMB_SAFE_S = 1.5;
const CLIMB_RISKY_S = 10;
const CLIMB_RISKY_MAX_S = 80;
// A step down this soon after a climb says that the climb was too early.
const CLIMB_FAILED_S = 10;
// After so long the link may have changed: what it carried is forgotten.
const FORGIVEN_S = 240;
// Packetisation of less than this share of the round trip and its spread is not noticed.
const NOTICED = 0.1;
// Of what the handshake showed: where to begin.
const START_SHARE = 0.8;
// Messages received per second, smoothed over so long.
const RECEIVED_S = 3;
// A cap is filled up to this share: pings and reports need the rest.
const FILL_CAP = 0.94;

/** What the sender sees of its own end. */
export interface SendState {
  /** Frames in the send queue. */
  readonly unsentFrames: number;
  /** Bytes given to the transport that the system has not sent. */
  readonly bufferedBytes: number;
  /** On the wire since the connection began, whatever it was. */
  readonly sentBits: number;
  /** Since then. */
  readonly receivedMessages: number;
}

/** What to do now. */
export interface SendPlan {
  /** 1 to 16. */
  readonly framesPerMessage: number;
  /** Index into the model's ladder. */
  readonly rate: number;
  /** Oldest unsent frames to drop. */
  readonly dropFrames: number;
  /**
   * Whether a message may be handed to the transport; if not, frames wait in the queue, where they
   * can still be dropped.
   */
  readonly maySend: boolean;
  /** Whether the link has been silent for longer than its jitter explains. */
  readonly isStalled: boolean;
}

/** What a {@link RateController} is made with. */
export interface RateOptions {
  readonly config: CodecConfig;
  /** Rates that both ends support, ascending, at least one. */
  readonly rates: readonly number[];
  /** The rate wanted; the highest common one up to it is the best that is used. */
  readonly rate: number;
  /** The fewest frames per message, 1 to 16. */
  readonly framesPerMessage: number;
  /** The layers below, for what a message costs. */
  readonly link: WebSocketLink;
  /** What codes the payload; null: it is packed. */
  readonly coder: IndexCoder | null;
  /** Hard cap of bits per second on the wire, all headers counted; null: no cap. */
  readonly maxBps: number | null;
  /** About what the link carries, more rather than less; null: nothing is known. */
  readonly startBps: number | null;
}

interface Step {
  readonly frames: number;
  readonly rate: number;
}

/** Decides a {@link SendPlan} from a {@link SendState}; call it for every frame or so. */
export class RateController {
  readonly monitor = new LinkMonitor();
  readonly #options: RateOptions;
  readonly #ladder: readonly Step[];
  readonly #cap: Allowance | null;
  readonly #received = new Frequency();
  readonly #startBps: number;
  #step = 0;
  #changedAt = -Infinity;
  #stalledAt = -Infinity;
  #climbedAt: number | null = null;
  #failedAt: number | null = null;
  #ceilingBps: number | null = null;
  #badSince: number | null = null;
  #clearSince: number | null = null;
  #climbAfterS = CLIMB_RISKY_S;
  #sentBits: number | null = null;
  #receivedMessages = 0;

  /** @throws InputError when an option is out of range */
  constructor(options: RateOptions) {
    const { rates, rate, framesPerMessage, maxBps, startBps } = options;
    if (!rates.length)
      throw new InputError("rates is empty, expected the rates that both ends support");
    if (!(framesPerMessage >= 1 && framesPerMessage <= MAX_PACKET_FRAMES))
      throw new InputError(
        `framesPerMessage is ${framesPerMessage}, expected 1 to ${MAX_PACKET_FRAMES}`,
      );
    if (maxBps !== null && !(maxBps > 0))
      throw new InputError(`the cap is ${maxBps} bps, expected more than 0`);
    this.#options = options;
    const best = rates.filter((each) => each <= rate).at(-1) ?? rates[0]!;
    const frames = [framesPerMessage, ...FRAMES_LADDER.filter((n) => n > framesPerMessage)];
    const lower = rates.filter((each) => each < best).reverse();
    this.#ladder = [
      ...frames.map((n) => ({ frames: n, rate: best })),
      ...lower.map((each) => ({ frames: frames.at(-1)!, rate: each })),
    ];
    this.#cap = maxBps === null ? null : new Allowance(maxBps);
    this.#startBps = startBps ?? 0;
    // More frames per message is soon undone, a lower rate is heard: that needs more proof than a
    // handshake, which a busy machine may have taken its time for.
    if (startBps !== null)
      this.#step = Math.min(this.#stepFor(START_SHARE * startBps, -Infinity), frames.length - 1);
  }

  /** Steps below the best setting, 0 when the link carries it. */
  get step(): number {
    return this.#step;
  }

  /** Bits per second on the wire of speech sent so, headers included. */
  wireBps(framesPerMessage: number, rate: number): number {
    const { coder, config, link } = this.#options;
    const payload =
      coder?.typicalBytes(rate, framesPerMessage) ??
      config.indexToRate(rate).packedBytes(framesPerMessage);
    const message = link.wireBits(AUDIO_BYTES + ECHO_BYTES + payload);
    return (message * config.frameRate) / framesPerMessage;
  }

  /** Audio has been handed to the transport, frames from `sequence` on. */
  sent(sequence: number, messageBytes: number, now: number): void {
    this.monitor.sent(sequence, this.#options.link.wireBits(messageBytes), now);
  }

  /** The peer's newest message is the one from `sequence` on, since `heldS`. */
  echo(sequence: number, heldS: number, now: number): void {
    this.monitor.echo(sequence, heldS, now);
  }

  /** What to do at `now` (seconds, any monotonic origin). */
  update(state: SendState, now: number): SendPlan {
    this.#count(state, now);
    this.#step = Math.max(this.#step, this.#floorStep(now));
    const { frames, rate } = this.#setting;
    const { frameMs } = this.#options.config;
    const bufferedMs = (8000 * state.bufferedBytes) / this.wireBps(frames, rate);
    // A message that still fills is no backlog.
    const waiting = Math.max(0, state.unsentFrames - frames);
    const backlogMs = waiting * frameMs + bufferedMs;
    // What jitter holds up is not late by more than the jitter, for which the peer waits anyway.
    const isLate = backlogMs > Math.max(DROP_ABOVE_MS, 1000 * this.monitor.usualSpreadS);
    const late = Math.floor((backlogMs - BACKLOG_MS) / frameMs);
    const isStalled = this.#isStalled(now);
    this.#judge(backlogMs, now);
    const isOpen = this.#cap === null || this.#cap.isOpen(now);
    return {
      framesPerMessage: this.#setting.frames,
      rate: this.#setting.rate,
      dropFrames: isLate ? Math.min(waiting, late) : 0,
      maySend: state.bufferedBytes === 0 && !isStalled && isOpen,
      isStalled,
    };
  }

  get #setting(): Step {
    return this.#ladder[this.#step]!;
  }

  /** What went and came since the last update, for the cap and the acknowledgements. */
  #count(state: SendState, now: number): void {
    if (this.#sentBits !== null) {
      const received = state.receivedMessages - this.#receivedMessages;
      this.#received.count(received, now);
      const { link } = this.#options;
      const alone = link.acknowledgementShare(this.#messagesPerS) * received;
      const bits = state.sentBits - this.#sentBits;
      this.#cap?.take(bits + link.acknowledgementBits * alone, now);
    }
    this.#sentBits = state.sentBits;
    this.#receivedMessages = state.receivedMessages;
  }

  // -- what the link says ------------------------------------------------------------------------

  #judge(backlogMs: number, now: number): void {
    const { frames } = this.#setting;
    const { monitor } = this;
    const window = monitor.window(now, Math.max(this.#changedAt, this.#stalledAt));
    const thresholdS = QUEUE_S + 0.0005 * frames * this.#options.config.frameMs;
    const isQueued = window !== null && window.queueS > thresholdS + window.spreadS;
    const silentS = now - (monitor.lastEchoAt ?? now);
    if (silentS > STALL_S + 2 * monitor.intervalS) {
      this.#badSince = this.#clearSince = null;
      this.#stalledAt = now; // what was under way tells of the stall and of nothing else
    } else if (isQueued || backlogMs > BACKLOG_MS) {
      this.#clearSince = null;
      this.#badSince ??= now;
      if (now >= this.#badSince + (isQueued ? QUEUE_PATIENCE_S : PATIENCE_S)) this.#stepDown(now);
    } else {
      this.#badSince = null;
      const isUnclear = window === null || window.queueS > thresholdS / 2 + window.spreadS;
      if (isUnclear) this.#clearSince = null;
      else this.#climb(now);
    }
  }

  /** Whether the link has been silent for longer than its jitter explains. */
  #isStalled(now: number): boolean {
    const { monitor } = this;
    const { baseS } = monitor;
    if (now - monitor.lastSentAt > PROBE_S) return false; // an echo may be lost: ask again
    if (baseS === null) return monitor.unechoedS(now) > PROBE_S;
    const usualS = Math.min(monitor.usualRttS, baseS + 1) + monitor.intervalS;
    return monitor.unechoedS(now) > usualS + HOLD_S;
  }

  // -- steps -------------------------------------------------------------------------------------

  /** The best step that the cap allows. */
  #floorStep(now: number): number {
    const { maxBps } = this.#options;
    return maxBps === null ? 0 : this.#stepFor(FILL_CAP * maxBps, now);
  }

  /**
   * What a step takes of the link, acknowledgements included. The peer is taken to send no more
   * messages than this side: it sees the same link.
   */
  #costBps(step: number, now: number): number {
    const { config, link } = this.#options;
    const { frames, rate } = this.#ladder[step]!;
    const sentPerS = config.frameRate / frames;
    const receivedPerS = Math.min(this.#received.perS(now), sentPerS);
    const alone = link.acknowledgementShare(sentPerS) * receivedPerS;
    return this.wireBps(frames, rate) + link.acknowledgementBits * alone;
  }

  get #messagesPerS(): number {
    return this.#options.config.frameRate / this.#setting.frames;
  }

  /** The first step that costs no more than `bps`, or the last. */
  #stepFor(bps: number, now: number): number {
    const fits = this.#ladder.findIndex((_, step) => this.#costBps(step, now) <= bps);
    return fits < 0 ? this.#ladder.length - 1 : fits;
  }

  #stepDown(now: number): void {
    const { monitor } = this;
    const { link } = this.#options;
    // What was sent before the last change says nothing of this setting.
    const settledS = 0.5 + (monitor.baseS || 0.5) + 2 * monitor.intervalS;
    if (now < this.#changedAt + settledS || this.#step === this.#ladder.length - 1) return;
    const window = monitor.window(now, this.#stalledAt);
    let wanted = this.#step + 1;
    if (window !== null && window.bps > 0) {
      const alone = link.acknowledgementShare(this.#messagesPerS) * this.#received.perS(now);
      this.#ceilingBps = window.bps + link.acknowledgementBits * alone;
      wanted = Math.max(wanted, this.#stepFor(SHARE * this.#ceilingBps, now));
    }
    if (this.#climbedAt !== null && now < this.#climbedAt + CLIMB_FAILED_S)
      this.#climbAfterS = Math.min(CLIMB_RISKY_MAX_S, 2 * this.#climbAfterS);
    this.#climbedAt = this.#badSince = null;
    this.#failedAt = this.#changedAt = now;
    this.#step = wanted;
  }

  #climb(now: number): void {
    this.#clearSince ??= now;
    if (this.#failedAt !== null && now >= this.#failedAt + FORGIVEN_S) {
      this.#ceilingBps = this.#failedAt = null;
      this.#climbAfterS = CLIMB_RISKY_S;
    }
    if (this.#climbedAt !== null && now >= this.#climbedAt + CLIMB_FAILED_S) {
      // The last climb has held: so much the link does carry.
      this.#climbedAt = null;
      if (this.#ceilingBps !== null)
        this.#ceilingBps = Math.max(this.#ceilingBps, this.#costBps(this.#step, now) / SHARE);
    }
    if (this.#step <= this.#floorStep(now) || !this.#isWorthwhile(this.#step - 1)) return;
    if (now >= this.#clearSince + this.#waitS(now)) {
      this.#step = Math.max(this.#floorStep(now), this.#nextStep(now));
      this.#changedAt = this.#climbedAt = this.#clearSince = now;
    }
  }

  /**
   * Whether shorter messages would be noticed: a link that takes long, or is uneven, keeps its delay,
   * and more packets only give it more to do.
   */
  #isWorthwhile(step: number): boolean {
    const { frames } = this.#setting;
    if (this.#ladder[step]!.frames === frames) return true;
    const takesS = (this.monitor.baseS ?? 0) + this.monitor.usualSpreadS;
    return (frames * this.#options.config.frameMs) / 1000 > NOTICED * takesS;
  }

  #nextStep(now: number): number {
    if (this.#ceilingBps !== null) return this.#step - 1;
    // Up to what the handshake has shown at once, and then with care.
    return Math.min(this.#step - 1, this.#stepFor(this.#startBps, now));
  }

  #waitS(now: number): number {
    const cost = this.#costBps(this.#step - 1, now);
    if (this.#ceilingBps === null) return cost <= this.#startBps ? CLIMB_FIRST_S : CLIMB_UNKNOWN_S;
    return cost <= SHARE * this.#ceilingBps ? CLIMB_SAFE_S : this.#climbAfterS;
  }
}

/** How often something happens, per second, smoothed exponentially. */
class Frequency {
  #perS = 0;
  #at = 0;

  /** It has happened so often since the last call. */
  count(times: number, now: number): void {
    this.#perS = this.perS(now) + times / RECEIVED_S;
    this.#at = now;
  }

  /** Per second, of the last three seconds or so. */
  perS(now: number): number {
    return this.#perS * Math.exp(-Math.max(0, now - this.#at) / RECEIVED_S);
  }
}

const ALLOWANCE_DEPTH_S = 0.1;

/** A token bucket of bits that may be overdrawn by what cannot wait; audio waits meanwhile. */
class Allowance {
  readonly #bps: number;
  #bits = 0;
  #at: number | null = null;

  constructor(bps: number) {
    this.#bps = bps;
  }

  take(bits: number, now: number): void {
    this.#refill(now);
    this.#bits -= bits;
  }

  isOpen(now: number): boolean {
    this.#refill(now);
    return this.#bits >= 0;
  }

  #refill(now: number): void {
    if (this.#at !== null) {
      const elapsedS = Math.max(0, now - this.#at);
      const depth = this.#bps * ALLOWANCE_DEPTH_S;
      this.#bits = Math.min(depth, this.#bits + elapsedS * this.#bps);
    }
    this.#at = now;
  }
}
