/** Microphone and loudspeaker of the page, joined to two ports that go to the worker. */
import { SAMPLE_RATE } from "../pcm";
import {
  CAPTURE,
  PLAYBACK,
  type CaptureLevel,
  type Connect,
  type SetMuted,
} from "./messages";
import type { Level } from "./meters";
import { MicrophoneError, openMicrophone } from "./microphone";

// A context that has no loudspeaker never says that it runs.
const RESUME_LIMIT_MS = 1_000;

export interface SoundOptions {
  /** A device's id or "default"; null to listen only. */
  readonly microphone: string | null;
  /** A device's id; null for the default loudspeaker. */
  readonly speaker?: string | null;
  /** The folder of the worklets' files. */
  readonly worklets?: string;
}

/** "suspended" waits for a tap and {@link Sound.resume}; "interrupted" is a phone call on iOS. */
export type SoundState = "running" | "suspended" | "interrupted" | "closed";

/**
 * The page's sound:
 *
 *     microphone -> capture worklet  -> capturePort:  frames of 320 samples at 24 kHz
 *     loudspeaker <- playback worklet <- playbackPort: asks for frames, takes them
 *
 * Both ports are to be transferred to the worker; they stay when devices change. The page's thread
 * handles no sound.
 */
export class Sound {
  readonly capturePort: MessagePort;
  readonly playbackPort: MessagePort;
  /** Told of the microphone's level 15 times a second, muted or not. */
  onlevel: ((level: Level) => void) | undefined;
  /** Told when one of the states below is another. */
  onchange: (() => void) | undefined;
  readonly #context: AudioContext;
  readonly #capture: AudioWorkletNode;
  readonly #playback: AudioWorkletNode;
  #microphone: MediaStreamAudioSourceNode | undefined;
  #isMuted = false;

  /**
   * Opens the devices; to be called in a click or a tap, or the sound stays suspended.
   * Throws MicrophoneError.
   */
  static async open(options: SoundOptions): Promise<Sound> {
    const folder = options.worklets ?? "./";
    // The question comes first: a context that was begun before it may be left suspended.
    const stream = options.microphone === null ? null : await openMicrophone(options.microphone);
    try {
      const context = await openContext(stream, folder);
      const sound = new Sound(context);
      if (stream !== null) sound.#use(stream);
      if (options.speaker) await sound.setSpeaker(options.speaker);
      await sound.resume();
      return sound;
    } catch (error) {
      stop(stream);
      throw error;
    }
  }

  private constructor(context: AudioContext) {
    this.#context = context;
    this.#capture = new AudioWorkletNode(context, CAPTURE, {
      numberOfInputs: 1,
      numberOfOutputs: 1,
      channelCountMode: "max",
    });
    this.#playback = new AudioWorkletNode(context, PLAYBACK, {
      numberOfInputs: 0,
      numberOfOutputs: 1,
      outputChannelCount: [1],
    });
    this.capturePort = connect(this.#capture);
    this.playbackPort = connect(this.#playback);
    this.#capture.port.onmessage = ({ data }: MessageEvent<CaptureLevel>) =>
      this.onlevel?.(data.level);
    this.#capture.connect(context.destination); // what is silent, but browsers run only such nodes
    this.#playback.connect(context.destination);
    context.onstatechange = () => this.onchange?.();
  }

  /** Whether sound runs. */
  get state(): SoundState {
    return this.#context.state as SoundState;
  }

  /** Whether there was a microphone and it is gone: unplugged, or its permission taken away. */
  get isMicrophoneLost(): boolean {
    return this.#track?.readyState === "ended";
  }

  /** Whether the system keeps the microphone silent: by a switch, or for a phone call. */
  get isSystemMuted(): boolean {
    return this.#track?.muted ?? false;
  }

  /** The sound card's rate as worklets see it; 24000 unless the browser refuses that. */
  get sampleRate(): number {
    return this.#context.sampleRate;
  }

  /** What the browser tells of delays outside of the worklets, in milliseconds. */
  get latency(): { readonly sourceMs: number; readonly sinkMs: number } {
    // Not in every browser, nor in every version's types.
    const settings = this.#track?.getSettings() as { latency?: number } | undefined;
    const { baseLatency = 0, outputLatency = 0 } = this.#context as Partial<AudioContext>;
    return {
      sourceMs: 1e3 * (settings?.latency ?? 0),
      sinkMs: 1e3 * (baseLatency + outputLatency),
    };
  }

  /** Whether the microphone is silent; frames go on, and it fades. */
  get isMuted(): boolean {
    return this.#isMuted;
  }

  set isMuted(isMuted: boolean) {
    this.#isMuted = isMuted;
    this.#capture.port.postMessage({ isMuted } satisfies SetMuted);
  }

  /** Listens to another microphone. Throws MicrophoneError; the one before then goes on. */
  async setMicrophone(deviceId: string): Promise<void> {
    this.#use(await openMicrophone(deviceId));
  }

  /** Plays through another loudspeaker; false where the browser cannot choose. */
  async setSpeaker(deviceId: string): Promise<boolean> {
    const context = this.#context as AudioContext & { setSinkId?: (id: string) => Promise<void> };
    if (context.setSinkId === undefined) return false;
    await context.setSinkId(deviceId === "default" ? "" : deviceId);
    return true;
  }

  /** Begins, in a click or a tap; whether sound runs. */
  async resume(): Promise<boolean> {
    const limit = new Promise((resolve) => setTimeout(resolve, RESUME_LIMIT_MS));
    await Promise.race([this.#context.resume(), limit]);
    return this.state === "running";
  }

  /** Gives back the devices. */
  async close(): Promise<void> {
    stop(this.#microphone?.mediaStream ?? null);
    if (this.#context.state !== "closed") await this.#context.close();
  }

  get #track(): MediaStreamTrack | undefined {
    return this.#microphone?.mediaStream.getAudioTracks()[0];
  }

  #use(stream: MediaStream): void {
    const before = this.#microphone;
    try {
      this.#microphone = this.#context.createMediaStreamSource(stream);
    } catch (error) {
      stop(stream); // of a context that was opened to listen only, in Firefox
      throw new MicrophoneError("other", error);
    }
    this.#microphone.connect(this.#capture);
    before?.disconnect();
    stop(before?.mediaStream ?? null);
    for (const name of ["ended", "mute", "unmute"])
      this.#track?.addEventListener(name, () => this.onchange?.());
    this.onchange?.();
  }
}

/** A context with both worklets, of 24 kHz where the browser joins that to this microphone. */
async function openContext(stream: MediaStream | null, folder: string): Promise<AudioContext> {
  const context = newContext(stream);
  try {
    for (const name of ["capture_worklet.js", "playback_worklet.js"])
      await context.audioWorklet.addModule(`${folder}${name}`);
  } catch (error) {
    await context.close();
    throw error;
  }
  return context;
}

function newContext(stream: MediaStream | null): AudioContext {
  const options: AudioContextOptions = { latencyHint: "interactive" };
  let context: AudioContext | undefined;
  try {
    context = new AudioContext({ ...options, sampleRate: SAMPLE_RATE });
    // Firefox joins a microphone only to a context of its own rate.
    if (stream !== null) context.createMediaStreamSource(stream).disconnect();
    return context;
  } catch {
    void context?.close();
    return new AudioContext(options); // and the worklets resample
  }
}

/** A port whose other end the worklet holds. */
function connect(node: AudioWorkletNode): MessagePort {
  const { port1, port2 } = new MessageChannel();
  node.port.postMessage({ port: port1 } satisfies Connect, [port1]);
  return port2;
}

function stop(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
