/** What the connection needs of a session, whether it is with a peer or in a room. */
import type { AudioFrames } from "../frames";
import type { Counters, Direction, LocalModel, Mute, ReceiverReport, Text } from "../protocol";
import type { CallEvent, Problem } from "./events";

/** A session is over. */
export interface ChannelClosed {
  readonly type: "closed";
  readonly problem: Problem;
  readonly text: string;
  readonly byPeer: boolean;
  /** Whether connecting again may help, before there was a connection and after. */
  readonly mayRetry: boolean;
  readonly mayReturn: boolean;
}

/** Audio may flow. */
export interface Ready {
  readonly type: "ready";
  /** Whether the peer has proved the secret; null in a room. */
  readonly authenticated: boolean | null;
  /** Whether the peer's numbers go on from an earlier connection. */
  readonly resumed: boolean;
  /** What the peer's audio is decoded with; null in a room, where each member says it. */
  readonly model: LocalModel | null;
}

/** What a session tells the connection. */
export type ChannelEvent =
  | Exclude<CallEvent, { readonly type: "state" | "opened" | "trouble" | "ended" }>
  | Ready
  /** The server is about to stop: connect elsewhere. */
  | { readonly type: "moved" }
  | { readonly type: "echo"; readonly sequence: number; readonly heldS: number }
  | ChannelClosed;

/** A session without sockets and clocks; `now` in seconds. */
export interface Channel {
  readonly counters: Counters;
  /** How this side sends; null until it may. */
  readonly sending: Direction | null;
  /** The fewest frames per message. */
  readonly framesPerMessage: number;
  /** Latest round trip in seconds. */
  readonly rttS: number | null;
  /** Bits per second at which the handshake went; null where nothing was measured. */
  readonly carriedBps: number | null;
  /** When {@link tick} wants to be called next; null when closed. */
  readonly deadline: number | null;
  silentS(now: number): number;
  receive(data: Uint8Array | string, now: number): ChannelEvent[];
  tick(now: number): ChannelEvent[];
  dataToSend(): Uint8Array[];
  sendAudio(frames: AudioFrames, now: number, voiced: boolean): boolean;
  send(message: Mute | Text): boolean;
  sendReport(report: ReceiverReport, now: number): void;
  /** This side hangs up. */
  close(): ChannelEvent[];
  /** The transport broke. */
  lost(): ChannelEvent[];
}
