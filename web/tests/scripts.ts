/** Scripts of calls and rooms that Python has followed (tests/labs/scripts.py), followed here. */
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { CodecConfig } from "../src/config";
import { IndexCoder } from "../src/entropy/indices";
import { Tables } from "../src/entropy/tables";
import type { AudioFrames } from "../src/frames";
import { type Endpoint, Kind, Secret } from "../src/protocol";
import type { ReceiverReport } from "../src/protocol";

export interface Setup {
  readonly secret: string;
  readonly model_hash: string;
  readonly rates: number[];
  readonly tables: string;
  readonly frames_per_message: number;
  readonly dtx: boolean;
  readonly room: string;
}

export interface Step {
  readonly do: string;
  readonly now: number;
  readonly data: string;
  readonly nonce: string;
  readonly entropy: string;
  readonly name: string;
  readonly sequence: number;
  readonly timestamp: number;
  readonly indices: number[][];
  readonly start: boolean;
  readonly end: boolean;
  readonly dtx: boolean;
  readonly muted: boolean;
  readonly text: string;
  readonly report: Record<string, number>;
}

export interface Answer {
  readonly events: Record<string, unknown>[];
  readonly sent: string[];
  readonly deadline: number | null;
  readonly rtt_s: number | null;
}

export interface Script {
  readonly setup: Setup;
  readonly steps: Step[];
  readonly answers: Answer[];
  readonly counters: Record<string, number>;
}

/** What sessions of both kinds do. */
export interface Follower {
  readonly counters: object;
  readonly deadline: number | null;
  readonly rttS: number | null;
  dataToSend(): Uint8Array[];
  receiveData(data: Uint8Array, now: number): unknown[];
  tick(now: number): unknown[];
  sendAudio(frames: AudioFrames, now: number): boolean;
  send(message: object): boolean;
  close(): unknown[];
  connectionLost(): unknown[];
}

export async function endpointOf(setup: Setup): Promise<Endpoint> {
  const config = new CodecConfig();
  const tables = setup.tables ? await Tables.fromBytes(hexToBytes(setup.tables), config) : null;
  const model = {
    config,
    modelId: "a model",
    modelHash: hexToBytes(setup.model_hash),
    rates: setup.rates,
    coder: tables && new IndexCoder(config, tables),
  };
  return {
    models: [model],
    framesPerMessage: setup.frames_per_message,
    dtx: setup.dtx,
    secret: setup.secret ? new Secret(setup.secret) : null,
  };
}

/** Take a step other than "connect" and "report"; what the session said. */
export function act(session: Follower, step: Step): unknown[] {
  const { now } = step;
  switch (step.do) {
    case "receive":
      return session.receiveData(hexToBytes(step.data), now);
    case "tick":
      return session.tick(now);
    case "audio":
      session.sendAudio(framesOf(step), now);
      return [];
    case "mute":
      session.send({ kind: Kind.MUTE, muted: step.muted });
      return [];
    case "text":
      session.send({ kind: Kind.TEXT, text: step.text });
      return [];
    case "close":
      return session.close();
    case "lost":
      return session.connectionLost();
    default:
      throw new Error(`no such step: ${step.do}`);
  }
}

function framesOf({ sequence, timestamp, indices, start, end, dtx }: Step): AudioFrames {
  const rows = indices.map((row) => Uint8Array.from(row));
  return { sequence, timestamp, indices: rows, start, end, dtx, isCopy: false };
}

export function reportOf(step: Step): ReceiverReport {
  const { sequence, received, lost, loss, jitter_ms, delay_ms, drift_ppm } = step.report;
  return {
    kind: Kind.REPORT,
    sequence: sequence!,
    received: received!,
    lost: lost!,
    loss: loss!,
    jitterMs: jitter_ms!,
    delayMs: delay_ms!,
    driftPpm: drift_ppm!,
  };
}

/** What was sent, and when the session wants to be called. */
export function answerOf(session: Follower): Omit<Answer, "events"> {
  const sent = session.dataToSend().map((data) => bytesToHex(data));
  return { sent, deadline: session.deadline, rtt_s: session.rttS };
}

/** Values as the vectors have them: bytes in hexadecimal, lists without types. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return bytesToHex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

/** Frames as the vectors have them. */
export function plainFrames(frames: AudioFrames): unknown {
  return { ...frames, indices: frames.indices.map((row) => Array.from(row)) };
}
