/** One websocket and the session over it: the only part of a call that has sockets and timers. */
import type { Channel, ChannelEvent } from "./channel";
import type { Traffic } from "./traffic";

/** Seconds for TCP, TLS and the websocket's handshake. */
const OPEN_S = 5;
/** Deadlines are looked at so often at least. */
const TICK_S = 0.25;

/** What is needed of a websocket: that of browsers, or the package `ws`. */
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

/** What a line is made with. */
export interface LineOptions {
  /** Makes a websocket; what it throws, the constructor of the line does. */
  readonly connect: (url: string) => Socket;
  /** Seconds from any monotonic origin. */
  readonly clock: () => number;
  /** Makes the session, once the websocket is open. */
  readonly makeChannel: (now: number) => Channel;
  readonly traffic: Traffic;
  /** Told what happens, and with an empty list that time has passed; "closed" comes last. */
  readonly onEvents: (line: Line, events: readonly ChannelEvent[], now: number) => void;
}

export class Line {
  /** Whether audio may flow: set by the owner. */
  isReady = false;
  readonly #options: LineOptions;
  readonly #url: string;
  readonly #socket: Socket;
  #channel: Channel | null = null;
  #isOver = false;
  #timer: ReturnType<typeof setTimeout>;

  constructor(url: string, options: LineOptions) {
    this.#options = options;
    this.#url = url;
    const socket = (this.#socket = options.connect(url));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#onOpen();
    socket.onmessage = ({ data }) => this.#onMessage(data);
    socket.onclose = () => this.#onLost();
    socket.onerror = () => {}; // a close follows
    this.#timer = setTimeout(() => this.#onLost(), 1000 * OPEN_S);
  }

  /** The session; null before the websocket is open. */
  get channel(): Channel | null {
    return this.#channel;
  }

  /** Bytes given to the websocket that have not left. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** Send what the session wants sent. */
  flush(): void {
    const now = this.#options.clock();
    for (const data of this.#channel?.dataToSend() ?? []) {
      this.#options.traffic.countSent(data.length, now);
      this.#socket.send(data as Uint8Array<ArrayBuffer>);
    }
  }

  /** Send the last word and close; nothing that comes is told any more. */
  close(): void {
    if (this.#isOver) return;
    this.flush();
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #onOpen(): void {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    this.#channel = this.#options.makeChannel(this.#options.clock());
    this.#tick(this.#channel);
  }

  #onMessage(data: unknown): void {
    const channel = this.#channel;
    if (this.#isOver || channel === null) return;
    const { clock, traffic } = this.#options;
    const now = clock();
    const message = data instanceof ArrayBuffer ? new Uint8Array(data) : String(data);
    traffic.countReceived(message.length, now);
    this.#tell(traffic.measure(channel, now, () => channel.receive(message, now)), now);
  }

  #onLost(): void {
    if (this.#isOver) return;
    const now = this.#options.clock();
    if (this.#channel !== null) {
      this.#tell(this.#channel.lost(), now);
      return;
    }
    const text = `${new URL(this.#url).host} cannot be reached`;
    const again = { mayRetry: true, mayReturn: true };
    this.#tell([{ type: "closed", problem: "unreachable", text, byPeer: false, ...again }], now);
  }

  #tick(channel: Channel): void {
    if (this.#isOver) return;
    const now = this.#options.clock();
    this.#tell(channel.tick(now), now);
    const { deadline } = channel;
    if (this.#isOver || deadline === null) return;
    const waitS = Math.min(TICK_S, Math.max(0, deadline - now));
    this.#timer = setTimeout(() => this.#tick(channel), 1000 * waitS);
  }

  #tell(events: readonly ChannelEvent[], now: number): void {
    this.#options.onEvents(this, events, now);
    if (!this.#isOver) this.flush();
  }
}
