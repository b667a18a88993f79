/**
 * A caller or member without sound, for tests against real listeners and relays: it says what it
 * hears. Its first argument is a JSON object of {@link Settings}; commands come as lines of JSON on
 * standard input, events go as lines of JSON to standard output.
 */
import "../setup";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";
import { CodeError, linkOfCode } from "../../src/call/code_client";
import { Connection, type Socket, type Target } from "../../src/call/connection";
import type { CallEvent } from "../../src/call/events";
import { CodecConfig } from "../../src/config";
import { IndexCoder } from "../../src/entropy/indices";
import { Tables } from "../../src/entropy/tables";
import { Secret } from "../../src/protocol";
import { RoomCode, RoomLink } from "../../src/rooms";

interface Settings {
  readonly url?: string;
  readonly link?: string;
  readonly code?: string;
  readonly name?: string;
  readonly secret?: string;
  readonly config: string;
  readonly modelId: string;
  readonly modelHash: string;
  readonly tables: string;
  readonly rate: number;
  readonly waitS: number;
  readonly returnS: number;
}

interface Command {
  readonly do: "text" | "mute" | "rate" | "stats" | "report" | "hang up";
  readonly text: string;
  readonly muted: boolean;
  readonly rate: number;
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function main(settings: Settings): Promise<void> {
  const config = CodecConfig.fromJson(settings.config);
  const tables = await Tables.fromBytes(new Uint8Array(readFileSync(settings.tables)), config);
  const model = {
    config,
    modelId: settings.modelId,
    modelHash: Uint8Array.from(Buffer.from(settings.modelHash, "hex")),
    rates: config.ladder.map((rate) => rate.index),
    coder: new IndexCoder(config, tables),
  };
  const connect = (url: string): Socket => new WebSocket(url, { perMessageDeflate: false }) as never;
  const link = await roomLink(settings, connect);
  const target: Target =
    link === null
      ? { kind: "peer", url: settings.url! }
      : { kind: "room", link, name: settings.name ?? "" };
  const secret = settings.secret === undefined ? null : new Secret(settings.secret);
  const endpoint = { models: [model], framesPerMessage: 3, dtx: false, secret };
  const { rate, waitS, returnS } = settings;
  const connection = new Connection(target, { endpoint, rate, waitS, returnS, connect }, onEvent);
  let heard = 0;

  function onEvent(event: CallEvent): void {
    if (event.type === "audio") {
      heard += event.frames.indices.length;
      // What was heard is said again, frame by frame.
      for (const row of event.frames.indices) connection.push(row, true);
      return;
    }
    const { model: of, ...plain } = { model: undefined, ...event };
    say(event.type === "named" ? { ...plain, isHeard: of !== null } : plain);
    if (event.type === "ended") process.stdin.destroy();
  }

  createInterface({ input: process.stdin }).on("line", (line) => {
    const command = JSON.parse(line) as Command;
    switch (command.do) {
      case "text":
        say({ type: "sent", ok: connection.sendText(command.text) });
        break;
      case "mute":
        connection.setMuted(command.muted);
        break;
      case "rate":
        connection.setRate(command.rate, null);
        break;
      case "stats":
        say({ type: "stats", heard, ...connection.stats(), fingerprint: connection.fingerprint });
        break;
      case "report":
        connection.sendReport({ lost: 1, jitterMs: 2, actualDelayMs: 80, driftPpm: 0 });
        break;
      case "hang up":
        connection.hangUp();
        break;
    }
  });
  connection.start();
}

/** The room's link, of a code where that was given; null for a call with one peer. */
async function roomLink(
  { link, code }: Settings,
  connect: (url: string) => Socket,
): Promise<RoomLink | null> {
  if (link !== undefined) return RoomLink.parse(link);
  if (code === undefined) return null;
  try {
    return await linkOfCode(RoomCode.parse(code), connect);
  } catch (error) {
    if (!(error instanceof CodeError)) throw error;
    say({ type: "ended", problem: error.problem, text: error.message, byPeer: true });
    return process.exit(0);
  }
}

void main(JSON.parse(process.argv[2]!) as Settings);
