/**
 * A call with one peer, or a place in a room, over websockets that come and go.
 *
 * The only part of the protocol that has timers and sockets. It works in a worker, on a page and in
 * node; what it says and takes is described in {@link CallEvent} and {@link Connection}.
 */
import { InputError } from "../errors";
import { Call, type Counters, DEFAULT_HOLD_S, type Endpoint, Kind, Role, SILENT_S } from "../protocol";
import { add, distance } from "../protocol/sequence";
import { RoomKeys, type RoomLink } from "../rooms";
import { type Kbps, WebSocketLink, WireMeter } from "../sending";
import type { Channel, ChannelClosed, ChannelEvent, Ready } from "./channel";
import { type CallEvent, type ConnectionState, PEER, type Problem } from "./events";
import { PeerChannel } from "./peer_channel";
import { RoomChannel } from "./room_channel";
import { type Encoding, type Gate, Sender } from "./sender";

/** Seconds for TCP, TLS and the websocket's handshake of one try. */
const OPEN_S = 5;
/** Pause after the first try and the longest one; each is twice the one before, give or take. */
const BACKOFF_S = 0.25;
const BACKOFF_MAX_S = { peer: 4, room: 2 };
/** Deadlines are looked at so often at least. */
const TICK_S = 0.25;

/** Whom to connect to. */
export type Target =
  /** A listener, `ws://host:port/` or `wss://host:port/`. */
  | { readonly kind: "peer"; readonly url: string }
  /** A room, and how the others shall call this side: one line of at most 60 bytes, may be empty. */
  | { readonly kind: "room"; readonly link: RoomLink; readonly name: string };

/** What a connection needs of a websocket: that of browsers, or the package `ws`. */
export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/** The user's wishes. */
export interface ConnectionOptions {
  /** What this side brings along. */
  readonly endpoint: Endpoint;
  /** Index into the ladder of the model: the highest rate that is sent. */
  readonly rate: number;
  /** Hard cap of what goes over the wire, all headers counted; null: none. */
  readonly maxKbps: number | null;
  /** Which frames are sent. */
  readonly gate: Gate;
  /** How long to try before the first connection, in seconds; 0 tries once. */
  readonly waitS: number;
  /** How long to try after a connection broke. */
  readonly returnS: number;
  /** Makes a websocket. */
  readonly connect: (url: string) => Socket;
  /** Seconds from any monotonic origin. */
  readonly clock: () => number;
}

const DEFAULTS = {
  maxKbps: null,
  gate: "open",
  waitS: 0,
  returnS: DEFAULT_HOLD_S,
  connect: (url: string) => new WebSocket(url) as unknown as Socket,
  clock: () => performance.now() / 1000,
} as const;

/** What the playout tells the sender on the other side. */
export interface Heard {
  /** Frames missing when they were to be played, since the call began. */
  readonly lost: number;
  readonly jitterMs: number;
  readonly actualDelayMs: number;
  readonly driftPpm: number;
}

/** What is known now. */
export interface ConnectionStats {
  readonly state: ConnectionState;
  /** Connections so far. */
  readonly connections: number;
  /** Over the last five seconds: the codec's bits, and all bits with headers. */
  readonly sent: Kbps;
  readonly received: Kbps;
  /** Since the beginning, with headers. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Round trip in seconds, the latest and the least; null before the first. */
  readonly rttS: number | null;
  readonly rttMinS: number | null;
  /** Index into the model's ladder of what is sent; null before the first connection. */
  readonly rate: number | null;
  readonly framesPerMessage: number;
  /** Steps below the best setting that the link has cost. */
  readonly step: number;
  /** Whether the link takes nothing at the moment. */
  readonly isStalled: boolean;
  readonly queuedFrames: number;
  readonly droppedFrames: number;
  /** Of the connection that is on, or was last. */
  readonly counters: Readonly<Counters> | null;
}

/** A socket, and the session over it once it is open. */
interface Line {
  readonly socket: Socket;
  channel: Channel | null;
  isReady: boolean;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #onEvent: (event: CallEvent) => void;
  readonly #kind: Target["kind"];
  readonly #urls: readonly string[];
  readonly #makeChannel: (now: number) => Channel;
  readonly #keys: RoomKeys | null;
  readonly #call = new Call();
  readonly #sender: Sender;
  readonly #sent: WireMeter;
  readonly #received: WireMeter;
  readonly #members = new Set<number>();
  #state: ConnectionState = "connecting";
  #line: Line | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #openTimer: ReturnType<typeof setTimeout> | undefined;
  #at = 0;
  #tries = 0;
  #pauseS = BACKOFF_S;
  #until = 0;
  #connections = 0;
  #receivedMessages = 0;
  #receivedFrames = 0;
  #rttMinS: number | null = null;
  #lastCounters: Counters | null = null;
  #lastReport: { readonly sequence: number; readonly received: number } | null = null;
  #muted = false;
  #toldMuted = false;
  #gate: Gate;

  /**
   * @param target whom to connect to
   * @param options what is left out: no cap, all frames sent, one try, a minute to come back
   * @param onEvent called with everything that happens, never from within a method but `hangUp`
   *     and `push`
   * @throws InputError where an option is out of range
   */
  constructor(
    target: Target,
    options: Pick<ConnectionOptions, "endpoint" | "rate"> & Partial<ConnectionOptions>,
    onEvent: (event: CallEvent) => void,
  ) {
    const all = (this.#options = { ...DEFAULTS, ...options });
    this.#onEvent = onEvent;
    this.#kind = target.kind;
    this.#gate = all.gate;
    if (target.kind === "peer") {
      this.#urls = [target.url];
      this.#keys = null;
      this.#makeChannel = (now) => new PeerChannel(all.endpoint, this.#call, now);
    } else {
      const keys = (this.#keys = new RoomKeys(target.link.secret));
      this.#urls = target.link.websocketUrls();
      this.#makeChannel = (now) =>
        new RoomChannel(keys, all.endpoint, target.name, now, this.#call.nextSequence);
    }
    const now = all.clock();
    const link = new WebSocketLink(Role.CLIENT, this.#urls[0]?.startsWith("wss:") ?? true);
    this.#sent = new WireMeter(link, now);
    this.#received = new WireMeter(link.reversed, now);
    const maxBps = all.maxKbps === null ? null : 1000 * all.maxKbps;
    this.#sender = new Sender(this.#call, link, all.gate, all.rate, maxBps);
  }

  /** Eight digits that all who hold the same link can compare; null in a call with one peer. */
  get fingerprint(): string | null {
    return this.#keys?.fingerprint ?? null;
  }

  /** Where it stands. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** How the next frame is to be encoded; null before the first connection. */
  get encoding(): Encoding | null {
    return this.#sender.encoding;
  }

  /** Number of the next frame among those captured, for `encoder.seek`. */
  get timestamp(): number {
    return this.#sender.timestamp;
  }

  /** Connect. To be called once. */
  start(): void {
    const { clock, waitS } = this.#options;
    this.#until = clock() + waitS;
    this.#tell({ type: "state", state: this.#state });
    this.#dial();
  }

  /**
   * One more frame of 13.3 ms; to be called for every captured frame, as what waits goes then, too.
   *
   * @param indices what the encoder made of it, as {@link encoding} says; null where that is null
   * @param voiced whether it holds a voice, or the key is pressed
   */
  push(indices: Uint8Array | null, voiced: boolean): void {
    const now = this.#options.clock();
    const before = this.#line?.channel?.counters.sentPayloadBytes ?? 0;
    const state = {
      bufferedBytes: this.#line?.socket.bufferedAmount ?? 0,
      sentBits: 8 * this.#sent.wireBytes,
      receivedMessages: this.#receivedMessages,
    };
    this.#sender.push(indices, voiced, state, now);
    const after = this.#line?.channel?.counters.sentPayloadBytes ?? 0;
    if (after > before) this.#sent.countPayload(after - before, now);
    this.#flush(now);
  }

  /** Tell the others whether the microphone is muted; the owner mutes the sound. */
  setMuted(muted: boolean): void {
    this.#muted = muted;
    this.#tellMuted();
    this.#flush(this.#options.clock());
  }

  /** Send a note of one line, at most 1000 bytes; false where nobody is there to read it. */
  sendText(text: string): boolean {
    const isSent = this.#line?.channel?.send({ kind: Kind.TEXT, text }) ?? false;
    this.#flush(this.#options.clock());
    return isSent;
  }

  /** Tell the peer how it is heard, every two seconds; nothing happens in a room. */
  sendReport(heard: Heard): void {
    const sequence = this.#call.window.highest;
    const channel = this.#line?.channel;
    if (!channel || sequence === null) return;
    const now = this.#options.clock();
    const received = this.#receivedFrames;
    const last = this.#lastReport;
    const expected = last === null ? 0 : distance(last.sequence, sequence);
    const loss = last === null || expected <= 0 ? 0 : 1 - (received - last.received) / expected;
    this.#lastReport = { sequence, received };
    channel.sendReport(
      {
        kind: Kind.REPORT,
        sequence,
        received: add(received, 0),
        lost: add(heard.lost, 0),
        loss: Math.max(0, loss),
        jitterMs: heard.jitterMs,
        delayMs: heard.actualDelayMs,
        driftPpm: heard.driftPpm,
      },
      now,
    );
  }

  /** The highest rate that is sent (index into the ladder), and the cap on the wire; null: none. */
  setRate(rate: number, maxKbps: number | null): void {
    if (maxKbps !== null && !(maxKbps > 0))
      throw new InputError(`the cap is ${maxKbps} kbps, expected more than 0`);
    this.#sender.setRate(rate, maxKbps === null ? null : 1000 * maxKbps);
  }

  /** Which frames are sent: all, those with a voice, or those for which a key is pressed. */
  setGate(gate: Gate): void {
    this.#gate = gate;
    this.#sender.setGate(gate);
    this.#tellMuted();
  }

  /** End it for good, or the waiting for it. */
  hangUp(): void {
    if (this.#state === "ended") return;
    const line = this.#line;
    if (line?.channel) {
      this.#dispatch(line, line.channel.close(), this.#options.clock());
      return;
    }
    this.#end({ problem: "ended", text: "this side hung up", byPeer: false });
  }

  /** What is known now. */
  stats(): ConnectionStats {
    const now = this.#options.clock();
    const sender = this.#sender;
    const channel = this.#line?.channel ?? null;
    return {
      state: this.#state,
      connections: this.#connections,
      sent: this.#sent.kbps(now),
      received: this.#received.kbps(now),
      sentBytes: this.#sent.wireBytes,
      receivedBytes: this.#received.wireBytes,
      rttS: channel?.rttS ?? null,
      rttMinS: this.#rttMinS,
      rate: sender.encoding?.rate ?? null,
      framesPerMessage: sender.framesPerMessage,
      step: sender.step,
      isStalled: sender.isStalled,
      queuedFrames: sender.queuedFrames,
      droppedFrames: sender.droppedFrames,
      counters: channel?.counters ?? this.#lastCounters,
    };
  }

  // -- sockets -----------------------------------------------------------------------------------

  #dial(): void {
    const url = this.#urls[this.#at % this.#urls.length]!;
    let socket: Socket;
    try {
      socket = this.#options.connect(url);
    } catch (error) {
      // An address that is none, or one that the page's security policy does not allow.
      this.#end({ problem: "unreachable", text: String(error), byPeer: false });
      return;
    }
    const line: Line = { socket, channel: null, isReady: false };
    this.#line = line;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#onOpen(line);
    socket.onmessage = ({ data }) => this.#onMessage(line, data);
    socket.onclose = () => this.#onSocketClosed(line);
    socket.onerror = () => {}; // a close follows
    this.#openTimer = setTimeout(() => this.#onSocketClosed(line), 1000 * OPEN_S);
  }

  #onOpen(line: Line): void {
    if (line !== this.#line) return;
    clearTimeout(this.#openTimer);
    const now = this.#options.clock();
    line.channel = this.#makeChannel(now);
    this.#flush(now);
    this.#tick(line);
  }

  #onMessage(line: Line, data: unknown): void {
    const { channel } = line;
    if (line !== this.#line || channel === null) return;
    const now = this.#options.clock();
    const message = data instanceof ArrayBuffer ? new Uint8Array(data) : String(data);
    const { receivedFrames, receivedPayloadBytes } = channel.counters;
    const events = channel.receive(message, now);
    this.#receivedMessages += 1;
    this.#receivedFrames += channel.counters.receivedFrames - receivedFrames;
    this.#received.count(message.length, now);
    this.#received.countPayload(channel.counters.receivedPayloadBytes - receivedPayloadBytes, now);
    const { rttS } = channel;
    if (rttS !== null) this.#rttMinS = Math.min(rttS, this.#rttMinS ?? rttS);
    this.#dispatch(line, events, now);
  }

  #onSocketClosed(line: Line): void {
    if (line !== this.#line) return;
    const now = this.#options.clock();
    if (line.channel !== null) {
      this.#dispatch(line, line.channel.lost(), now);
      return;
    }
    this.#drop(line);
    const host = this.#urls[this.#at % this.#urls.length]!.split("/")[2];
    this.#retry({ problem: "unreachable", text: `${host} cannot be reached`, byPeer: false }, now);
  }

  #tick(line: Line): void {
    const { channel } = line;
    if (line !== this.#line || channel === null) return;
    const now = this.#options.clock();
    this.#dispatch(line, channel.tick(now), now);
    if (line !== this.#line || channel.deadline === null) return;
    if (line.isReady) this.#setState(channel.silentS(now) > SILENT_S ? "silent" : "on");
    const waitS = Math.min(TICK_S, Math.max(0, channel.deadline - now));
    this.#timer = setTimeout(() => this.#tick(line), 1000 * waitS);
  }

  #flush(now: number): void {
    const { socket, channel } = this.#line ?? {};
    for (const data of channel?.dataToSend() ?? []) {
      this.#sent.count(data.length, now);
      socket?.send(data as Uint8Array<ArrayBuffer>);
    }
  }

  /** Nothing that comes from this socket counts any more. */
  #drop(line: Line): void {
    clearTimeout(this.#openTimer);
    clearTimeout(this.#timer);
    this.#lastCounters = line.channel?.counters ?? this.#lastCounters;
    this.#line = null;
    this.#sender.detach();
    line.socket.close();
  }

  // -- what happens ------------------------------------------------------------------------------

  #dispatch(line: Line, events: readonly ChannelEvent[], now: number): void {
    for (const event of events) {
      if (line !== this.#line) return;
      this.#on(line, event, now);
    }
    this.#flush(now);
  }

  #on(line: Line, event: ChannelEvent, now: number): void {
    switch (event.type) {
      case "ready":
        this.#onReady(line, event);
        break;
      case "closed":
        this.#onClosed(line, event, now);
        break;
      case "moved":
        this.#at += 1;
        this.#flush(now);
        this.#drop(line);
        this.#reconnect(now);
        break;
      case "echo":
        this.#sender.echo(event.sequence, event.heldS, now);
        break;
      case "joined":
        this.#members.add(event.member);
        this.#tell(event);
        break;
      case "left":
        this.#members.delete(event.member);
        this.#tell(event);
        break;
      default:
        this.#tell(event);
    }
  }

  #onReady(line: Line, { authenticated, resumed, model }: Ready): void {
    line.isReady = true;
    const isFirst = this.#connections === 0;
    this.#connections += 1;
    this.#tries = 0;
    this.#pauseS = BACKOFF_S;
    this.#sender.attach(line.channel!);
    this.#setState("on");
    this.#tell({ type: "opened", isFirst, authenticated, fingerprint: this.fingerprint });
    this.#tellMuted(true);
    if (this.#kind === "room" || (resumed && this.#members.has(PEER))) return;
    this.#forgetMembers();
    this.#lastReport = null;
    this.#members.add(PEER);
    this.#tell({ type: "joined", member: PEER });
    this.#tell({ type: "named", member: PEER, name: "", model });
  }

  #onClosed(line: Line, closed: ChannelClosed, now: number): void {
    const wasReady = line.isReady;
    this.#flush(now); // the last word
    this.#drop(line);
    if (!(wasReady ? closed.mayReturn : closed.mayRetry)) {
      this.#end(closed);
      return;
    }
    if (!wasReady) {
      this.#retry(closed, now);
      return;
    }
    this.#tell({ type: "trouble", problem: closed.problem, text: closed.text });
    this.#reconnect(now);
  }

  /** A connection is gone, and another one is tried at once. */
  #reconnect(now: number): void {
    if (this.#kind === "room") this.#forgetMembers(); // they have other numbers next time
    this.#setState("reconnecting");
    this.#until = now + this.#options.returnS;
    this.#dial();
  }

  /** A try has failed: another one follows, at once at another relay, or after a pause. */
  #retry(why: Pick<ChannelClosed, "problem" | "text" | "byPeer">, now: number): void {
    this.#at += 1;
    this.#tries += 1;
    let waitS = 0;
    if (this.#tries % this.#urls.length === 0) {
      waitS = this.#pauseS * (0.8 + 0.4 * Math.random());
      if (now + waitS > this.#until) {
        this.#end(why);
        return;
      }
      this.#pauseS = Math.min(2 * this.#pauseS, BACKOFF_MAX_S[this.#kind]);
    }
    this.#tell({ type: "trouble", problem: why.problem, text: why.text });
    this.#timer = setTimeout(() => this.#dial(), 1000 * waitS);
  }

  #end({ problem, text, byPeer }: { problem: Problem; text: string; byPeer: boolean }): void {
    if (this.#line !== null) this.#drop(this.#line);
    clearTimeout(this.#timer);
    this.#forgetMembers();
    this.#setState("ended");
    this.#tell({ type: "ended", problem, text, byPeer });
  }

  #forgetMembers(): void {
    for (const member of this.#members) this.#tell({ type: "left", member });
    this.#members.clear();
  }

  /** `isNew`: whoever is there may not know it. */
  #tellMuted(isNew = false): void {
    const channel = this.#line?.isReady ? this.#line.channel : null;
    if (channel === null || this.#gate === "key") return; // the key says it
    if (this.#muted === this.#toldMuted && !(isNew && this.#muted)) return;
    channel.send({ kind: Kind.MUTE, muted: this.#muted });
    this.#toldMuted = this.#muted;
  }

  #setState(state: ConnectionState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#tell({ type: "state", state });
  }

  #tell(event: CallEvent): void {
    this.#onEvent(event);
  }
}
