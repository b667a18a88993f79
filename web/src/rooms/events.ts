/** What a room's session tells its owner. Members are known by their numbers. */

import type { AudioFrames } from "../frames";
import type { LocalModel } from "../protocol/endpoint";
import { RoomReason } from "./messages";

/** The session is over. */
export interface RoomClosed {
  readonly type: "closed";
  /** Why; null where the connection broke. */
  readonly reason: RoomReason | null;
  /** A sentence for the user. */
  readonly text: string;
  /** Whether this side has gone of its own will. */
  readonly left: boolean;
}

export type RoomEvent =
  /** The relay has let this side in; others are there already. */
  | { readonly type: "admitted"; readonly others: readonly number[] }
  /** Somebody came in, whose name is not known yet. */
  | { readonly type: "joined"; readonly member: number }
  | MemberNamed
  /** Somebody went out, or was lost. */
  | { readonly type: "left"; readonly member: number }
  /** Frames of somebody who was named. */
  | { readonly type: "audio"; readonly member: number; readonly frames: AudioFrames }
  | { readonly type: "mute"; readonly member: number; readonly muted: boolean }
  /** Somebody keeps what is said, or does so no more. */
  | { readonly type: "recording"; readonly member: number; readonly on: boolean }
  /** A note of one line. */
  | { readonly type: "text"; readonly member: number; readonly text: string }
  /** The relay is about to stop: connect again. */
  | { readonly type: "moved" }
  /** The relay has the audio from `sequence` on. */
  | { readonly type: "echo"; readonly sequence: number; readonly heldS: number }
  | RoomClosed;

/** Somebody has said who they are. */
export interface MemberNamed {
  readonly type: "named";
  readonly member: number;
  /** One printable line; may be empty, and the same as another's. */
  readonly name: string;
  /** What their audio is decoded with; null where this side has not that model. */
  readonly model: LocalModel | null;
}

const RETRIED: ReadonlySet<RoomReason | null> = new Set([
  null,
  RoomReason.AGAIN,
  RoomReason.FULL,
  RoomReason.LIMIT,
]);

/** Whether connecting again, to this or another relay, may help. */
export function mayRetryRoom(closed: RoomClosed): boolean {
  return !closed.left && RETRIED.has(closed.reason);
}
