/** A place in a room, as the connection needs it. */
import type { AudioFrames } from "../frames";
import type { Counters, Direction, Endpoint, Mute, Text } from "../protocol";
import {
  type RoomEvent,
  type RoomKeys,
  RoomReason,
  RoomSession,
  mayRetryRoom,
} from "../rooms";
import type { Channel, ChannelEvent } from "./channel";
import type { Problem } from "./events";

const PROBLEMS: Record<RoomReason, Problem> = {
  [RoomReason.OTHER]: "other",
  [RoomReason.VERSION]: "version",
  [RoomReason.PROOF]: "link",
  [RoomReason.FULL]: "full",
  [RoomReason.LIMIT]: "limit",
  [RoomReason.AGAIN]: "lost",
  [RoomReason.PROTOCOL]: "other",
  [RoomReason.CODE]: "other",
};

export class RoomChannel implements Channel {
  /** Nothing is measured while a relay lets somebody in. */
  readonly carriedBps = null;
  readonly framesPerMessage: number;
  readonly #session: RoomSession;

  /**
   * @param name how the others shall call this side
   * @param sequence number of the first frame that will be sent
   */
  constructor(keys: RoomKeys, endpoint: Endpoint, name: string, now: number, sequence: number) {
    this.framesPerMessage = endpoint.framesPerMessage;
    this.#session = new RoomSession(keys, endpoint, name, now, { sequence });
  }

  get counters(): Counters {
    return this.#session.counters;
  }

  get sending(): Direction | null {
    return this.#session.state === "in room" ? this.#session.direction : null;
  }

  get rttS(): number | null {
    return this.#session.rttS;
  }

  get deadline(): number | null {
    return this.#session.deadline;
  }

  silentS(now: number): number {
    return this.#session.silentS(now);
  }

  receive(data: Uint8Array | string, now: number): ChannelEvent[] {
    return this.#session.receiveData(data, now).map(translate);
  }

  tick(now: number): ChannelEvent[] {
    return this.#session.tick(now).map(translate);
  }

  dataToSend(): Uint8Array[] {
    return this.#session.dataToSend();
  }

  sendAudio(frames: AudioFrames, now: number, voiced: boolean): boolean {
    return this.#session.sendAudio(frames, now, voiced);
  }

  send(message: Mute | Text): boolean {
    return this.#session.send(message);
  }

  /** There are none in a room: who would answer them all? */
  sendReport(): void {}

  close(): ChannelEvent[] {
    return this.#session.close().map(translate);
  }

  lost(): ChannelEvent[] {
    return this.#session.connectionLost().map(translate);
  }
}

function translate(event: RoomEvent): ChannelEvent {
  if (event.type === "admitted")
    return { type: "ready", authenticated: null, resumed: false, model: null };
  if (event.type !== "closed") return event;
  const { reason, text, left } = event;
  const problem = left ? "ended" : reason === null ? "lost" : PROBLEMS[reason];
  const again = mayRetryRoom(event);
  return { type: "closed", problem, text, byPeer: reason !== null, mayRetry: again, mayReturn: again };
}
