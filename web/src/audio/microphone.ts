/** Asking for the microphone, and why there is none. */
import { Q2D2Error } from "../errors";

/** Why there is no microphone. */
export type MicrophoneProblem =
  /** The page came over plain http from another machine: browsers hide the microphone there. */
  | "insecure"
  /** The user, or the system's settings, said no. */
  | "denied"
  /** None is connected, or not the one that was asked for. */
  | "missing"
  /** Another program holds it. */
  | "busy"
  | "other";

const SENTENCES: Record<MicrophoneProblem, string> = {
  insecure:
    "browsers give no microphone to pages over http, expected https or an address of this machine",
  denied: "the microphone is not allowed, expected permission in the browser and in the system",
  missing: "no such microphone is connected, expected one that the browser lists",
  busy: "the microphone cannot be opened, perhaps another program holds it",
  other: "the microphone cannot be opened",
};

const PROBLEMS: Record<string, MicrophoneProblem> = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
};

/** The microphone cannot be used. */
export class MicrophoneError extends Q2D2Error {
  readonly reason: MicrophoneProblem;

  constructor(reason: MicrophoneProblem, cause?: unknown) {
    super(SENTENCES[reason], { cause });
    this.reason = reason;
  }
}

/**
 * Asks for a microphone, by its id or "default". The browser cancels the echo of the loudspeaker;
 * the codec wants noise and level as they are. Throws MicrophoneError.
 */
export async function openMicrophone(deviceId: string): Promise<MediaStream> {
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) throw new MicrophoneError("insecure");
  const audio: MediaTrackConstraints = {
    echoCancellation: true,
    noiseSuppression: false,
    autoGainControl: false,
    channelCount: 1,
    ...(deviceId === "default" ? {} : { deviceId: { exact: deviceId } }),
  };
  try {
    return await devices.getUserMedia({ audio, video: false });
  } catch (error) {
    const name = error instanceof Error || error instanceof DOMException ? error.name : "";
    throw new MicrophoneError(PROBLEMS[name] ?? "other", error);
  }
}
