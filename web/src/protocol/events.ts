/** What a session tells its owner. */

import type { AudioFrames } from "../frames";
import type { Call } from "./call";
import type { Direction } from "./endpoint";
import type { Hello } from "./hello";
import { Reason } from "./kinds";
import type { ReceiverReport } from "./messages";

/**
 * A message of the handshake and its answer: how many bytes went both ways, how long it took. The
 * time to work out the keys is in it, so it tells less than the link carries.
 */
export interface Exchange {
  readonly messageBytes: number;
  readonly seconds: number;
}

/** The handshake is done: audio may flow. */
export interface Established {
  readonly type: "established";
  /** What the call keeps over reconnections. */
  readonly call: Call;
  readonly peer: Hello;
  /** What was agreed on for either direction. */
  readonly sending: Direction;
  readonly receiving: Direction;
  /** Frames per message to begin with: the larger of both wishes. */
  readonly framesPerMessage: number;
  /** The peer's sequence numbers go on from an earlier connection. */
  readonly resumed: boolean;
  /** The peer has proved the secret. */
  readonly authenticated: boolean;
  /** How long the handshake's hellos took; null where nothing was measured. */
  readonly exchange: Exchange | null;
}

/** The session is over; send what `dataToSend` still holds, then hang up. */
export interface Closed {
  readonly type: "closed";
  readonly reason: Reason;
  readonly text: string;
  readonly byPeer: boolean;
}

/** Whether dialling again may help: the link broke, or the line was busy. */
export function mayRetry(closed: Closed): boolean {
  const { reason } = closed;
  return reason === Reason.LOST || reason === Reason.TIMEOUT || reason === Reason.BUSY;
}

export type Event =
  | Established
  | Closed
  | { readonly type: "audio"; readonly frames: AudioFrames }
  | { readonly type: "report"; readonly report: ReceiverReport }
  | { readonly type: "mute"; readonly muted: boolean }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "echo"; readonly sequence: number; readonly heldS: number };
