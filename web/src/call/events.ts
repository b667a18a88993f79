/** What a connection tells the page: of a call with one peer and of a room alike. */
import type { AudioFrames } from "../frames";
import type { LocalModel, ReceiverReport } from "../protocol";

/** The number of the other side of a call with one peer; members of rooms have numbers of 32 bits. */
export const PEER = 0;

/** Where a connection stands. */
export type ConnectionState =
  /** There is none yet: it is tried. */
  | "connecting"
  | "on"
  /** Nothing was heard for three seconds; it may come back by itself. */
  | "silent"
  /** It broke and is tried again; the call goes on when that works. */
  | "reconnecting"
  | "ended";

/** Why there is no connection; the page has words for each. */
export type Problem =
  /** Nobody answers at the address, or what answers there is no websocket. */
  | "unreachable"
  /** It broke. */
  | "lost"
  /** Nothing was heard for too long, or the handshake took too long. */
  | "timeout"
  /** Somebody hung up: see `byPeer`. */
  | "ended"
  /** The listener has another call. */
  | "busy"
  /** The code or secret is not the other side's. */
  | "secret"
  /** The two sides speak other versions of the protocol. */
  | "version"
  /** They have no model, or no rate of it, in common. */
  | "model"
  /** A newer connection carries the call on: the page is open twice. */
  | "taken over"
  /** The link is not of a room of this relay. */
  | "link"
  /** The room holds no more people. */
  | "full"
  /** The relay holds no more people from here, or no more at all. */
  | "limit"
  /** The other side does not keep to the protocol, or anything else. */
  | "other";

export type CallEvent =
  | { readonly type: "state"; readonly state: ConnectionState }
  /** A connection is there, for the first time or again; the others follow as "joined". */
  | {
      readonly type: "opened";
      readonly isFirst: boolean;
      /** Whether the peer has proved the secret; null in a room. */
      readonly authenticated: boolean | null;
      /** Eight digits that all in a room can compare; null in a call. */
      readonly fingerprint: string | null;
    }
  | { readonly type: "joined"; readonly member: number }
  /** `model` is null where this side cannot hear them: it has not their model. */
  | {
      readonly type: "named";
      readonly member: number;
      readonly name: string;
      readonly model: LocalModel | null;
    }
  | { readonly type: "left"; readonly member: number }
  | { readonly type: "audio"; readonly member: number; readonly frames: AudioFrames }
  | { readonly type: "mute"; readonly member: number; readonly muted: boolean }
  /** Somebody in the room keeps what is said, or does so no more: to be shown to everybody. */
  | { readonly type: "recording"; readonly member: number; readonly on: boolean }
  | { readonly type: "text"; readonly member: number; readonly text: string }
  /** What the peer hears of this side; never in a room. */
  | { readonly type: "report"; readonly report: ReceiverReport }
  /** A connection was lost or did not come about, and is tried again. */
  | { readonly type: "trouble"; readonly problem: Problem; readonly text: string }
  /** It is over for good. `text` is a sentence in English, for the curious. */
  | {
      readonly type: "ended";
      readonly problem: Problem;
      readonly text: string;
      readonly byPeer: boolean;
    };
