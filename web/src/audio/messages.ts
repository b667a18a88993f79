/** What worklets, worker and page post to each other about sound. */
import type { Level } from "./meters";
import type { PlaybackReport } from "./playback";

/** Names under which the worklets register their processors. */
export const CAPTURE = "q2d2-capture";
export const PLAYBACK = "q2d2-playback";

/** Page to either worklet: who takes or makes the frames from now on. */
export interface Connect {
  readonly port: MessagePort;
}

/** Page to the capture worklet: whether frames are silence. */
export interface SetMuted {
  readonly isMuted: boolean;
}

/** Capture worklet to the page, fifteen times a second. */
export interface CaptureLevel {
  readonly level: Level;
}

/**
 * Playback worklet to the worker, which answers with as many frames: each one Float32Array of 320
 * samples at 24 kHz, transferred.
 */
export interface PlaybackRequest {
  readonly frames: number;
  readonly report: PlaybackReport;
}
