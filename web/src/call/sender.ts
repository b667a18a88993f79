/** From the encoder to a channel, at the pace that the link allows. */
import { InputError } from "../errors";
import { MAX_PACKET_FRAMES } from "../packet";
import type { Call, Direction } from "../protocol";
import {
  DEFAULT_DTX,
  Dtx,
  type DtxOptions,
  PUSH_TO_TALK,
  RateController,
  SendQueue,
  type WebSocketLink,
} from "../sending";
import type { Channel } from "./channel";

// Two, so that a backlog goes out at twice the speed it came in, and not in one burst.
const MESSAGES_PER_FRAME = 2;

/** Which frames are sent. */
export type Gate =
  /** All of them. */
  | "open"
  /** Those with a voice, and what is around them. */
  | "voice"
  /** Those for which the caller says so, and no others. */
  | "key";

const GATES: Record<Gate, DtxOptions | null> = {
  open: null,
  voice: DEFAULT_DTX,
  key: PUSH_TO_TALK,
};

/** What the sender sees of the transport. */
export interface TransportState {
  /** Bytes given to the transport that have not left. */
  readonly bufferedBytes: number;
  /** Bits on the wire since the connection began. */
  readonly sentBits: number;
  /** Messages since then. */
  readonly receivedMessages: number;
}

/** How the next frame is to be encoded. */
export interface Encoding {
  readonly direction: Direction;
  /** Index into the ladder of the direction's model. */
  readonly rate: number;
}

interface Attached {
  readonly channel: Channel;
  readonly control: RateController;
}

/**
 * Chooses frames, numbers them and groups them into messages. While there is no channel the newest
 * half second waits. Without sockets and clocks: `now` in seconds.
 */
export class Sender {
  readonly #queue: SendQueue;
  readonly #dtx: Dtx;
  readonly #link: WebSocketLink;
  #rate: number;
  #maxBps: number | null;
  #attached: Attached | null = null;
  #direction: Direction | null = null;
  #plan: { readonly framesPerMessage: number; readonly rate: number; isStalled: boolean } | null =
    null;
  #isVoiced = false;

  /**
   * @param call gives the sequence numbers
   * @param rate index into the ladder: the highest rate that is sent
   * @param maxBps hard cap of what goes over the wire, all headers counted; null: none
   */
  constructor(call: Call, link: WebSocketLink, gate: Gate, rate: number, maxBps: number | null) {
    this.#queue = new SendQueue(call);
    this.#dtx = new Dtx(GATES[gate]);
    this.#link = link;
    this.#rate = rate;
    this.#maxBps = maxBps;
  }

  /** Send over `channel` from now on. */
  attach(channel: Channel): void {
    const direction = channel.sending;
    if (direction === null) return;
    const control = this.#makeControl(channel, direction);
    this.#attached = { channel, control };
    this.#plan = null;
    this.#use(direction);
  }

  /** There is no channel; another may come. */
  detach(): void {
    this.#attached = null;
  }

  /**
   * How the next frame is to be encoded; null before the first channel. While a channel is lost it
   * goes on, so that time runs on in what is sent.
   */
  get encoding(): Encoding | null {
    const direction = this.#attached?.channel.sending ?? this.#direction;
    if (direction === null) return null;
    const rate = this.#plan?.rate ?? bestRate(direction.rates, this.#rate);
    return { direction, rate };
  }

  /** Number of the next frame, among those captured. */
  get timestamp(): number {
    return this.#dtx.timestamp;
  }

  /** Frames per message; 0 before the first. */
  get framesPerMessage(): number {
    return this.#plan?.framesPerMessage ?? 0;
  }

  /** Steps that the link has cost. */
  get step(): number {
    return this.#attached?.control.step ?? 0;
  }

  /** Whether the link takes nothing at the moment. */
  get isStalled(): boolean {
    return this.#plan?.isStalled ?? false;
  }

  /** Frames dropped because the link was too slow or broken. */
  get droppedFrames(): number {
    return this.#queue.dropped;
  }

  /** Frames that wait. */
  get queuedFrames(): number {
    return this.#queue.length;
  }

  /** Which frames are sent from now on. */
  setGate(gate: Gate): void {
    this.#dtx.setOptions(GATES[gate]);
  }

  /** The highest rate, and the cap, from now on; what is known of the link is found out anew. */
  setRate(rate: number, maxBps: number | null): void {
    this.#rate = rate;
    this.#maxBps = maxBps;
    if (this.#attached !== null) this.attach(this.#attached.channel);
  }

  /** The other side has what was sent. */
  echo(sequence: number, heldS: number, now: number): void {
    this.#attached?.control.echo(sequence, heldS, now);
  }

  /**
   * One more frame, and what may go now goes to the channel.
   *
   * @param indices what the encoder made of it; null: there was nothing to encode for
   * @param voiced whether it holds a voice
   */
  push(indices: Uint8Array | null, voiced: boolean, state: TransportState, now: number): void {
    this.#isVoiced ||= voiced;
    if (indices !== null)
      for (const frame of this.#dtx.push(indices, voiced)) this.#queue.push(frame);
    if (this.#attached === null) return;
    const { channel, control } = this.#attached;
    const direction = channel.sending;
    if (direction === null) return;
    this.#use(direction);
    const plan = control.update({ ...state, unsentFrames: this.#queue.length }, now);
    this.#plan = plan;
    this.#queue.dropOldest(plan.dropFrames);
    if (!plan.maySend) return;
    for (let left = MESSAGES_PER_FRAME; left > 0; left -= 1) {
      // What has had to wait goes together: fewer headers for a link that was busy.
      const most = Math.min(this.#queue.length, MAX_PACKET_FRAMES);
      const frames = this.#queue.take(Math.max(plan.framesPerMessage, most));
      if (frames === null) return;
      const before = channel.counters.sentBytes;
      if (!channel.sendAudio(frames, now, this.#isVoiced && !frames.dtx)) return;
      this.#isVoiced = false;
      control.sent(frames.sequence, channel.counters.sentBytes - before, now);
    }
  }

  #makeControl(channel: Channel, direction: Direction): RateController {
    return new RateController({
      config: direction.model.config,
      rates: direction.rates,
      rate: this.#rate,
      framesPerMessage: channel.framesPerMessage,
      link: this.#link,
      coder: direction.coder,
      maxBps: this.#maxBps,
      startBps: channel.carriedBps,
    });
  }

  /** What waits is dropped where the others cannot read it any more. */
  #use(direction: Direction): void {
    const before = this.#direction;
    this.#direction = direction;
    if (before === null) return;
    const isCoded = direction.coder !== null;
    if (before.model !== direction.model || (before.coder !== null) !== isCoded)
      this.#queue.dropOldest(this.#queue.length);
  }
}

function bestRate(rates: readonly number[], wanted: number): number {
  const best = rates.filter((rate) => rate <= wanted).at(-1) ?? rates[0];
  if (best === undefined) throw new InputError("there is no rate that both ends support");
  return best;
}
