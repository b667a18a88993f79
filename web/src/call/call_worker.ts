/**
 * The worker of a call: joins codec, connection and playout. The page talks to it by messages, the
 * sound goes past the page, by ports of the two worklets.
 */
import { VoiceDetector } from "../audio/voice_detector";
import { Codec } from "../engine/codec";
import { ServedFiles } from "../engine/files";
import type { StreamEncoder } from "../engine/stream_encoder";
import { type Decoder, totalMs } from "../playout";
import { type Endpoint, type LocalModel, Secret } from "../protocol";
import { RoomCode, RoomLink } from "../rooms";
import { CodeError, linkOfCode } from "./code_client";
import { Connection, type Target } from "./connection";
import type { CallEvent } from "./events";
import { Durations, LossWindow } from "./measures";
import { Mixer } from "./mixer";
import { Player } from "./player";
import type { FromWorker, Join, Numbers, SoundPorts, ToWorker, Whom } from "./worker_messages";

const NUMBERS_S = 0.2;
const REPORT_S = 2;
/** How long the page tries before it says that nobody answers. */
const WAIT_S = 8;
/** A relay forwards every message to everybody: 40 ms in each cost a third of 13 ms. */
const FRAMES_PER_MESSAGE = { peer: 1, room: 3 };

const scope = self as unknown as {
  postMessage(message: FromWorker): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
};

const post = (message: FromWorker): void => scope.postMessage(message);
const nowS = (): number => performance.now() / 1000;

/** A call from joining to its end. */
class RunningCall {
  readonly #codec: Codec;
  readonly #encoder: StreamEncoder;
  readonly #connection: Connection;
  readonly #mixer: Mixer;
  readonly #player: Player;
  readonly #detector = new VoiceDetector();
  readonly #encodings = new Durations();
  readonly #decodings = new Durations();
  readonly #losses = new LossWindow();
  readonly #capture: MessagePort;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #delays: SoundPorts["delays"];
  readonly #begunS = nowS();
  #gate: Join["gate"];
  #isKeyDown = false;
  #reports = 0;

  constructor(codec: Codec, join: Join) {
    this.#codec = codec;
    this.#encoder = codec.encoder();
    const model: LocalModel = {
      config: codec.config,
      modelId: codec.modelId,
      modelHash: codec.modelHash,
      rates: codec.rates.map((rate) => rate.index),
      coder: codec.coder,
    };
    const { whom } = join;
    this.#mixer = new Mixer(() => this.#decoder());
    this.#player = new Player(this.#mixer, nowS);
    this.#gate = join.gate;
    this.#delays = join.delays;
    const endpoint: Endpoint = {
      models: [model],
      framesPerMessage: FRAMES_PER_MESSAGE[whom.kind],
      dtx: join.gate !== "open",
      secret: whom.kind === "peer" && whom.secret !== null ? new Secret(whom.secret) : null,
    };
    this.#connection = new Connection(
      targetOf(whom, join.origin),
      {
        endpoint,
        rate: join.rate ?? codec.config.defaultRate.index,
        gate: join.gate,
        waitS: WAIT_S,
      },
      (event) => this.#onEvent(event),
    );
    if (join.isMuted) this.#connection.setMuted(true);
    this.#capture = join.capture;
    this.#capture.onmessage = ({ data }: MessageEvent<Float32Array>) => this.#onFrame(data);
    this.#player.attach(join.playback);
  }

  start(): void {
    this.#connection.start();
    this.#timers.push(setInterval(() => this.#tell(), 1000 * NUMBERS_S));
  }

  take(message: Exclude<ToWorker, Join | { type: "load" | "find" }>): void {
    switch (message.type) {
      case "mute":
        this.#connection.setMuted(message.isMuted);
        break;
      case "gate":
        this.#gate = message.gate;
        this.#connection.setGate(message.gate);
        break;
      case "key":
        this.#isKeyDown = message.isDown;
        break;
      case "rate":
        this.#connection.setRate(message.rate, null);
        break;
      case "gain":
        this.#mixer.setGain(message.member, message.gain);
        break;
      case "text":
        post({
          type: "text_sent",
          text: message.text,
          isSent: this.#connection.sendText(message.text),
        });
        break;
      case "delays":
        this.#delays = message.delays;
        break;
      case "leave":
        this.#connection.hangUp();
        break;
    }
  }

  #decoder(): Decoder {
    const decoder = this.#codec.decoder();
    return {
      get delaySamples(): number {
        return decoder.delaySamples;
      },
      push: (indices) => this.#decodings.measure(() => decoder.push(indices)),
      seek: (number) => decoder.seek(number),
      reset: () => decoder.reset(),
    };
  }

  #onFrame(pcm: Float32Array): void {
    const isVoice = this.#detector.isVoice(pcm);
    const voiced = this.#gate === "key" ? this.#isKeyDown : isVoice;
    const encoding = this.#connection.encoding;
    if (encoding === null) {
      this.#connection.push(null, voiced);
      return;
    }
    const encoder = this.#encoder;
    if (encoder.rate.index !== encoding.rate) encoder.rate = this.#codec.config.indexToRate(encoding.rate);
    encoder.codedRefinement = encoding.direction.coder !== null;
    encoder.seek(this.#connection.timestamp);
    const indices = this.#encodings.measure(() => encoder.push(pcm));
    this.#connection.push(indices, voiced);
  }

  #onEvent(event: CallEvent): void {
    switch (event.type) {
      case "audio":
        this.#mixer.put(event.member, event.frames, nowS());
        return;
      case "left":
        this.#mixer.remove(event.member);
        break;
      case "named":
        post({
          type: "named",
          member: event.member,
          name: event.name,
          isHeard: event.model !== null,
        });
        return;
      case "opened":
        post({
          type: "opened",
          authenticated: event.authenticated,
          fingerprint: event.fingerprint,
        });
        return;
      case "report":
      case "trouble":
        return;
      case "ended":
        this.#stop();
        break;
    }
    post(event);
  }

  #tell(): void {
    const playout = this.#player.stats;
    const stats = this.#connection.stats();
    this.#player.setDelays({ networkMs: 500 * (stats.rttMinS ?? 0), ...this.#delays });
    this.#reports += 1;
    if (this.#reports % Math.round(REPORT_S / NUMBERS_S) === 0) this.#connection.sendReport(playout);
    const { firstSoundS } = this.#player;
    const numbers: Numbers = {
      sentKbps: stats.sent.wire,
      receivedKbps: stats.received.wire,
      sentCodecKbps: stats.sent.codec,
      receivedCodecKbps: stats.received.codec,
      rttMs: stats.rttS === null ? null : 1000 * stats.rttS,
      bufferMs: playout.actualDelayMs,
      lostPercent: this.#losses.percent(playout.received, playout.lost),
      talking: [...this.#mixer.talking(nowS())],
      rate: stats.rate,
      framesPerMessage: stats.framesPerMessage,
      firstSoundMs: firstSoundS === null ? null : 1000 * (firstSoundS - this.#begunS),
      delayP50Ms: totalMs(playout.delayP50),
      delayP95Ms: totalMs(playout.delayP95),
      underruns: this.#player.playback?.underruns ?? 0,
      received: playout.received,
      lost: playout.lost,
      concealed: playout.concealed,
      encodeMs: this.#encodings.percentiles(),
      decodeMs: this.#decodings.percentiles(),
    };
    post({ type: "numbers", numbers });
  }

  #stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#capture.onmessage = null;
    this.#player.stop();
    call = null;
  }
}

function targetOf(whom: Whom, origin: string): Target {
  if (whom.kind === "peer") return { kind: "peer", url: `${origin.replace(/^http/, "ws")}/` };
  return { kind: "room", link: RoomLink.parse(whom.link), name: whom.name };
}

let codec: Promise<Codec> | null = null;
let call: RunningCall | null = null;

function loadCodec(): Promise<Codec> {
  return (codec ??= Codec.load(new ServedFiles("/models/")));
}

async function find(code: string): Promise<void> {
  try {
    post({ type: "found", link: String(await linkOfCode(RoomCode.parse(code))) });
  } catch (error) {
    if (!(error instanceof CodeError)) throw error;
    post({ type: "not_found", problem: error.problem });
  }
}

async function onMessage(message: ToWorker): Promise<void> {
  if (message.type === "load") {
    const { config, rates } = await loadCodec();
    post({
      type: "loaded",
      rates: rates.map(({ index, name, kbps }) => ({ index, name, kbps })),
      rate: config.defaultRate.index,
    });
  } else if (message.type === "find") {
    await find(message.code);
  } else if (message.type === "join") {
    call = new RunningCall(await loadCodec(), message);
    call.start();
  } else {
    call?.take(message);
  }
}

scope.onmessage = ({ data }) => {
  onMessage(data).catch((error: unknown) => {
    post({ type: "failed", text: error instanceof Error ? error.message : String(error) });
  });
};
