/**
 * What a message costs on the wire, headers included.
 *
 *     | IP 20 | TCP 20, with timestamps 32 | TLS 22 | WebSocket 2 or 4, mask 4 | message |
 *
 * Counted: one segment per message, and the acknowledgements that travel alone, which systems delay
 * by 40 ms and let ride on what is sent meanwhile. Not counted: Ethernet or radio framing,
 * retransmissions. A browser does not say whether it is IPv4 and whether TCP has timestamps: the
 * usual is taken.
 */
import { Role, otherRole } from "../protocol/kinds";

const IPV4_BYTES = 20;
const TCP_BYTES = 32; // with timestamps
const TLS_RECORD_BYTES = 22;
const MASK_BYTES = 4;
const DELAYED_ACK_S = 0.04;

/** A websocket over TCP, in one direction. */
export class WebSocketLink {
  /** Bits of an acknowledgement that travels alone. */
  readonly acknowledgementBits = 8 * (IPV4_BYTES + TCP_BYTES);
  readonly #sender: Role;
  readonly #isSecure: boolean;

  /**
   * @param sender a client masks what it sends, a server does not
   * @param isSecure `wss:` rather than `ws:`
   */
  constructor(sender: Role, isSecure: boolean) {
    this.#sender = sender;
    this.#isSecure = isSecure;
  }

  /** The other direction. */
  get reversed(): WebSocketLink {
    return new WebSocketLink(otherRole(this.#sender), this.#isSecure);
  }

  /** Bits on the wire for one message of `messageBytes` bytes. */
  wireBits(messageBytes: number): number {
    const length = messageBytes < 126 ? 2 : messageBytes < 65_536 ? 4 : 10;
    const frame = length + (this.#sender === Role.CLIENT ? MASK_BYTES : 0);
    const record = this.#isSecure ? TLS_RECORD_BYTES : 0;
    return 8 * (messageBytes + frame + record) + this.acknowledgementBits;
  }

  /** Share of the received messages whose acknowledgement finds nothing to ride on. */
  acknowledgementShare(sentPerS: number): number {
    return Math.max(0, 1 - DELAYED_ACK_S * sentPerS);
  }
}
