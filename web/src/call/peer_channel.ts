/** A call with one peer, as the connection needs it. */
import type { AudioFrames } from "../frames";
import {
  type Call,
  type Closed,
  type Counters,
  type Direction,
  type Endpoint,
  type Event,
  type Mute,
  Reason,
  type ReceiverReport,
  Session,
  type Text,
  mayRetry,
} from "../protocol";
import type { Channel, ChannelEvent } from "./channel";
import { PEER, type Problem } from "./events";

const PROBLEMS: Record<Reason, Problem> = {
  [Reason.OTHER]: "other",
  [Reason.ENDED]: "ended",
  [Reason.BUSY]: "busy",
  [Reason.VERSION]: "version",
  [Reason.MODEL]: "model",
  [Reason.RATES]: "model",
  [Reason.SECRET]: "secret",
  [Reason.PROTOCOL]: "other",
  [Reason.TIMEOUT]: "timeout",
  [Reason.TAKEN_OVER]: "taken over",
  [Reason.LOST]: "lost",
};

export class PeerChannel implements Channel {
  readonly #session: Session;

  constructor(endpoint: Endpoint, call: Call, now: number) {
    this.#session = new Session(endpoint, call, now);
  }

  get counters(): Counters {
    return this.#session.counters;
  }

  get sending(): Direction | null {
    return this.#session.established?.sending ?? null;
  }

  get framesPerMessage(): number {
    return this.#session.established?.framesPerMessage ?? 1;
  }

  get rttS(): number | null {
    return this.#session.rttS;
  }

  get carriedBps(): number | null {
    const exchange = this.#session.established?.exchange ?? null;
    return exchange && (8 * exchange.messageBytes) / Math.max(exchange.seconds, 1e-3);
  }

  get deadline(): number | null {
    return this.#session.deadline;
  }

  silentS(now: number): number {
    return this.#session.silentS(now);
  }

  receive(data: Uint8Array | string, now: number): ChannelEvent[] {
    const events = this.#session.receiveData(data, now).map(translate);
    // The first ping goes at once.
    return events.some(({ type }) => type === "ready") ? [...events, ...this.tick(now)] : events;
  }

  tick(now: number): ChannelEvent[] {
    return this.#session.tick(now).map(translate);
  }

  dataToSend(): Uint8Array[] {
    return this.#session.dataToSend();
  }

  sendAudio(frames: AudioFrames, now: number): boolean {
    return this.#session.sendAudio(frames, now);
  }

  send(message: Mute | Text): boolean {
    return this.#session.send(message);
  }

  sendReport(report: ReceiverReport, now: number): void {
    this.#session.sendReport(report, now);
  }

  close(): ChannelEvent[] {
    return this.#session.close().map(translate);
  }

  lost(): ChannelEvent[] {
    return this.#session.connectionLost().map(translate);
  }
}

function translate(event: Event): ChannelEvent {
  switch (event.type) {
    case "established": {
      const { authenticated, resumed, receiving } = event;
      return { type: "ready", authenticated, resumed, model: receiving.model };
    }
    case "audio":
    case "mute":
    case "text":
      return { ...event, member: PEER };
    case "closed":
      return {
        ...event,
        problem: PROBLEMS[event.reason],
        mayRetry: mayRetry(event),
        mayReturn: mayReturn(event),
      };
    default:
      return event;
  }
}

/** Whether the same call may go on over another connection. */
function mayReturn({ reason, byPeer }: Closed): boolean {
  return reason === Reason.TIMEOUT || (reason === Reason.LOST && !byPeer);
}
