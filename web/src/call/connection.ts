/** A call with one peer, or a place in a room, over websockets that come and go. */
import { InputError } from "../errors";
import { Call, type Counters, DEFAULT_HOLD_S, type Endpoint, Kind, SILENT_S } from "../protocol";
import { RoomKeys, type RoomLink } from "../rooms";
import type { Kbps } from "../sending";
import type { Channel, ChannelClosed, ChannelEvent, Ready } from "./channel";
import { Dialer } from "./dialer";
import { type CallEvent, type ConnectionState, PEER } from "./events";
import { Line, type Socket } from "./line";
import { PeerChannel } from "./peer_channel";
import { RoomChannel } from "./room_channel";
import { type Encoding, type Gate, Sender } from "./sender";
import { type Heard, Traffic } from "./traffic";

export type { Heard, Socket };

const LONGEST_PAUSE_S = { peer: 4, room: 2 };

/** Whom to connect to. */
export type Target =
  /** A listener, `ws://host:port/` or `wss://host:port/`. */
  | { readonly kind: "peer"; readonly url: string }
  /** A room, and how the others shall call this side: one line of at most 60 bytes, may be empty. */
  | { readonly kind: "room"; readonly link: RoomLink; readonly name: string };

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

/** Works in a worker, on a page and in node; what it says is described in {@link CallEvent}. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #onEvent: (event: CallEvent) => void;
  readonly #isRoom: boolean;
  readonly #keys: RoomKeys | null = null;
  readonly #makeChannel: (now: number) => Channel;
  readonly #call = new Call();
  readonly #dialer: Dialer;
  readonly #sender: Sender;
  readonly #traffic: Traffic;
  readonly #members = new Set<number>();
  #state: ConnectionState = "connecting";
  #line: Line | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #connections = 0;
  #counters: Counters | null = null;
  #muted = false;
  #toldMuted = false;
  #gate: Gate;

  /**
   * @param target whom to connect to
   * @param options what is left out: no cap, all frames sent, one try, a minute to come back
   * @param onEvent called with everything that happens
   * @throws InputError where an option is out of range
   */
  constructor(
    target: Target,
    options: Pick<ConnectionOptions, "endpoint" | "rate"> & Partial<ConnectionOptions>,
    onEvent: (event: CallEvent) => void,
  ) {
    const all = (this.#options = { ...DEFAULTS, ...options });
    this.#onEvent = onEvent;
    this.#gate = all.gate;
    this.#isRoom = target.kind === "room";
    const urls = target.kind === "peer" ? [target.url] : target.link.websocketUrls();
    if (target.kind === "peer") {
      this.#makeChannel = (now) => new PeerChannel(all.endpoint, this.#call, now);
    } else {
      const keys = (this.#keys = new RoomKeys(target.link.secret));
      this.#makeChannel = (now) =>
        new RoomChannel(keys, all.endpoint, target.name, now, this.#call.nextSequence);
    }
    this.#dialer = new Dialer(urls, LONGEST_PAUSE_S[target.kind]);
    this.#traffic = new Traffic(this.#dialer.url.startsWith("wss:"), all.clock());
    const maxBps = bpsOf(all.maxKbps);
    this.#sender = new Sender(this.#call, this.#traffic.link, all.gate, all.rate, maxBps);
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
    this.#onEvent({ type: "state", state: this.#state });
    this.#dialer.begin(this.#options.clock() + this.#options.waitS);
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
    const state = {
      bufferedBytes: this.#line?.bufferedBytes ?? 0,
      sentBits: 8 * this.#traffic.sentBytes,
      receivedMessages: this.#traffic.receivedMessages,
    };
    const push = (): void => this.#sender.push(indices, voiced, state, now);
    const channel = this.#line?.channel;
    if (channel) this.#traffic.measure(channel, now, push);
    else push();
    this.#line?.flush();
  }

  /** Tell the others whether the microphone is muted; the owner mutes the sound. */
  setMuted(muted: boolean): void {
    this.#muted = muted;
    this.#tellMuted();
  }

  /** Send a note of one line, at most 1000 bytes; false where nobody is there to read it. */
  sendText(text: string): boolean {
    const isSent = this.#line?.channel?.send({ kind: Kind.TEXT, text }) ?? false;
    this.#line?.flush();
    return isSent;
  }

  /** Tell the peer how it is heard, every two seconds; nothing happens in a room. */
  sendReport(heard: Heard): void {
    const sequence = this.#call.window.highest;
    if (this.#isRoom || sequence === null) return;
    const report = this.#traffic.report(heard, sequence);
    this.#line?.channel?.sendReport(report, this.#options.clock());
  }

  /**
   * The highest rate that is sent (index into the ladder), and the cap on the wire; null: none.
   *
   * @throws InputError for a cap of 0 or less
   */
  setRate(rate: number, maxKbps: number | null): void {
    this.#sender.setRate(rate, bpsOf(maxKbps));
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
    this.#line?.channel?.close();
    this.#end({ problem: "ended", text: "this side hung up", byPeer: false });
  }

  /** What is known now. */
  stats(): ConnectionStats {
    const traffic = this.#traffic;
    const sender = this.#sender;
    const channel = this.#line?.channel ?? null;
    return {
      state: this.#state,
      connections: this.#connections,
      ...traffic.kbps(this.#options.clock()),
      sentBytes: traffic.sentBytes,
      receivedBytes: traffic.receivedBytes,
      rttS: channel?.rttS ?? null,
      rttMinS: traffic.rttMinS,
      rate: sender.encoding?.rate ?? null,
      framesPerMessage: sender.framesPerMessage,
      step: sender.step,
      isStalled: sender.isStalled,
      queuedFrames: sender.queuedFrames,
      droppedFrames: sender.droppedFrames,
      counters: channel?.counters ?? this.#counters,
    };
  }

  // -- connections that come and go --------------------------------------------------------------

  #dial(): void {
    const { connect, clock } = this.#options;
    try {
      this.#line = new Line(this.#dialer.url, {
        connect,
        clock,
        makeChannel: this.#makeChannel,
        traffic: this.#traffic,
        onEvents: (line, events, now) => this.#onEvents(line, events, now),
      });
    } catch (error) {
      // An address that is none, or one that the page's security policy does not allow.
      this.#onFailed({ problem: "unreachable", text: String(error), byPeer: false });
    }
  }

  #onEvents(line: Line, events: readonly ChannelEvent[], now: number): void {
    for (const event of events) {
      if (line !== this.#line) return;
      this.#on(line, event, now);
    }
    if (line !== this.#line || !line.isReady) return;
    this.#setState((line.channel?.silentS(now) ?? 0) > SILENT_S ? "silent" : "on");
  }

  #on(line: Line, event: ChannelEvent, now: number): void {
    switch (event.type) {
      case "ready":
        this.#onReady(line, event);
        return;
      case "closed":
        this.#onClosed(line, event, now);
        return;
      case "moved":
        this.#dialer.skip();
        this.#reconnect(now);
        return;
      case "echo":
        this.#sender.echo(event.sequence, event.heldS, now);
        return;
      case "joined":
        this.#members.add(event.member);
        break;
      case "left":
        this.#members.delete(event.member);
        break;
    }
    this.#onEvent(event);
  }

  #onReady(line: Line, { authenticated, resumed, model }: Ready): void {
    line.isReady = true;
    const isFirst = this.#connections === 0;
    this.#connections += 1;
    if (line.channel !== null) this.#sender.attach(line.channel);
    this.#setState("on");
    this.#onEvent({ type: "opened", isFirst, authenticated, fingerprint: this.fingerprint });
    this.#tellMuted(true);
    if (this.#isRoom || (resumed && this.#members.has(PEER))) return;
    this.#forgetMembers();
    this.#traffic.restart();
    this.#members.add(PEER);
    this.#onEvent({ type: "joined", member: PEER });
    this.#onEvent({ type: "named", member: PEER, name: "", model });
  }

  #onClosed(line: Line, closed: ChannelClosed, now: number): void {
    const { problem, text } = closed;
    if (!(line.isReady ? closed.mayReturn : closed.mayRetry)) {
      this.#end(closed);
    } else if (line.isReady) {
      this.#onEvent({ type: "trouble", problem, text });
      this.#reconnect(now);
    } else {
      this.#onFailed(closed);
    }
  }

  /** A try has come to nothing. */
  #onFailed(why: Pick<ChannelClosed, "problem" | "text" | "byPeer">): void {
    this.#drop();
    const waitS = this.#dialer.failed(this.#options.clock());
    if (waitS === null) {
      this.#end(why);
      return;
    }
    this.#onEvent({ type: "trouble", problem: why.problem, text: why.text });
    this.#retryTimer = setTimeout(() => this.#dial(), 1000 * waitS);
  }

  /** A connection is gone, and another one is tried at once. */
  #reconnect(now: number): void {
    this.#drop();
    if (this.#isRoom) this.#forgetMembers(); // they have other numbers next time
    this.#setState("reconnecting");
    this.#dialer.begin(now + this.#options.returnS);
    this.#dial();
  }

  #drop(): void {
    this.#counters = this.#line?.channel?.counters ?? this.#counters;
    this.#line?.close();
    this.#line = null;
    this.#sender.detach();
  }

  #end({ problem, text, byPeer }: Pick<ChannelClosed, "problem" | "text" | "byPeer">): void {
    this.#drop();
    clearTimeout(this.#retryTimer);
    this.#forgetMembers();
    this.#setState("ended");
    this.#onEvent({ type: "ended", problem, text, byPeer });
  }

  #forgetMembers(): void {
    for (const member of this.#members) this.#onEvent({ type: "left", member });
    this.#members.clear();
  }

  /** `isNew`: who is there now may not know it. */
  #tellMuted(isNew = false): void {
    const line = this.#line;
    if (!line?.channel || !line.isReady || this.#gate === "key") return; // the key says it
    if (this.#muted === this.#toldMuted && !(isNew && this.#muted)) return;
    line.channel.send({ kind: Kind.MUTE, muted: this.#muted });
    this.#toldMuted = this.#muted;
    line.flush();
  }

  #setState(state: ConnectionState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#onEvent({ type: "state", state });
  }
}

/** Bits per second of a cap. */
function bpsOf(maxKbps: number | null): number | null {
  if (maxKbps !== null && !(maxKbps > 0))
    throw new InputError(`the cap is ${maxKbps} kbps, expected more than 0`);
  return maxKbps === null ? null : 1000 * maxKbps;
}
