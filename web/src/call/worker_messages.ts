/** What the page and the worker of a call post to each other. All of it is plain data. */
import type { OutsideDelays } from "./player";
import type { ConnectionState, Problem } from "./events";
import type { Gate } from "./sender";

/** Whom to call, as the page's address says. */
export type Whom =
  /** The listener that served the page; the code or secret that it wants, if any. */
  | { readonly kind: "peer"; readonly secret: string | null }
  /** The room of a link, and how the others shall call this side. */
  | { readonly kind: "room"; readonly link: string; readonly name: string };

/** Where the worker hears the microphone and plays. */
export interface SoundPorts {
  readonly capture: MessagePort;
  readonly playback: MessagePort;
  readonly delays: Pick<OutsideDelays, "sourceMs" | "sinkMs">;
}

export interface Join extends SoundPorts {
  readonly type: "join";
  readonly whom: Whom;
  /** Origin of the page, where relay or listener are. */
  readonly origin: string;
  readonly isMuted: boolean;
  readonly gate: Gate;
  /** Index into the ladder; null: the codec's usual one. */
  readonly rate: number | null;
}

export type ToWorker =
  /** Get ready: load the codec. Answered by "loaded" or "failed". */
  | { readonly type: "load" }
  /** Ask for the link to the room of a short code. Answered by "found" or "not_found". */
  | { readonly type: "find"; readonly code: string }
  | Join
  /** The user has muted; the page has muted the sound. */
  | { readonly type: "mute"; readonly isMuted: boolean }
  | { readonly type: "gate"; readonly gate: Gate }
  /** The key of push-to-talk. */
  | { readonly type: "key"; readonly isDown: boolean }
  | { readonly type: "rate"; readonly rate: number }
  | { readonly type: "gain"; readonly member: number; readonly gain: number }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "delays"; readonly delays: SoundPorts["delays"] }
  | { readonly type: "leave" };

/** A rate that the user can choose. */
export interface RateChoice {
  readonly index: number;
  readonly name: string;
  readonly kbps: number;
}

/** The numbers of the moment. */
export interface Numbers {
  /** Over the last five seconds, all headers counted. */
  readonly sentKbps: number;
  readonly receivedKbps: number;
  /** Of that, the codec's own bits. */
  readonly sentCodecKbps: number;
  readonly receivedCodecKbps: number;
  readonly rttMs: number | null;
  /** How long sound is held back against jitter. */
  readonly bufferMs: number;
  /** Frames missing of the last ten seconds. */
  readonly lostPercent: number;
  /** Numbers of those who are heard now. */
  readonly talking: readonly number[];
  /** Index of the rate that is sent; null before the first connection. */
  readonly rate: number | null;
  readonly framesPerMessage: number;
  /** From joining to the first sound of somebody else; null before that. */
  readonly firstSoundMs: number | null;
  /** Mouth to ear without the network: medians and 95th percentiles of what is known. */
  readonly delayP50Ms: number;
  readonly delayP95Ms: number;
  /** Times that the loudspeaker had nothing to play. */
  readonly underruns: number;
  readonly received: number;
  readonly lost: number;
  readonly concealed: number;
  /** Milliseconds for a frame: median and 95th percentile of the last 500. */
  readonly encodeMs: readonly [number, number];
  readonly decodeMs: readonly [number, number];
}

export type FromWorker =
  | {
      readonly type: "loaded";
      readonly rates: readonly RateChoice[];
      /** Index of the codec's usual one. */
      readonly rate: number;
    }
  | { readonly type: "found"; readonly link: string }
  | { readonly type: "not_found"; readonly problem: Problem }
  | { readonly type: "state"; readonly state: ConnectionState }
  | {
      /** A connection is there. */
      readonly type: "opened";
      /** Whether the peer has proved the secret; null in a room. */
      readonly authenticated: boolean | null;
      /** The digits of a room. */
      readonly fingerprint: string | null;
    }
  | { readonly type: "joined"; readonly member: number }
  | {
      readonly type: "named";
      readonly member: number;
      readonly name: string;
      /** Whether this side has their model. */
      readonly isHeard: boolean;
    }
  | { readonly type: "left"; readonly member: number }
  | { readonly type: "mute"; readonly member: number; readonly muted: boolean }
  /** Somebody keeps what is said, or does no longer. */
  | { readonly type: "recording"; readonly member: number; readonly on: boolean }
  | { readonly type: "text"; readonly member: number; readonly text: string }
  | { readonly type: "text_sent"; readonly text: string; readonly isSent: boolean }
  | { readonly type: "numbers"; readonly numbers: Numbers }
  | {
      readonly type: "ended";
      readonly problem: Problem;
      readonly text: string;
      readonly byPeer: boolean;
    }
  /** The codec could not be loaded. */
  | { readonly type: "failed"; readonly text: string };
