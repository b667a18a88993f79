/** Numbers in messages: kinds, roles, capabilities, reasons (docs/reference/protocol.md). */

/** First byte of a handshake message, and of a control message once it is opened. */
export const Kind = {
  HELLO: 1,
  AUTH: 2,
  REJECT: 3,
  BYE: 4,
  PING: 17,
  PONG: 18,
  REPORT: 19,
  MUTE: 20,
  TEXT: 21,
  ECHO: 24,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** Which side of the connection: the client dialled, the server listened. */
export const Role = { CLIENT: 0, SERVER: 1 } as const;
export type Role = (typeof Role)[keyof typeof Role];

/** The role that the peer must have. */
export function otherRole(role: Role): Role {
  return role === Role.CLIENT ? Role.SERVER : Role.CLIENT;
}

/** As keys and sentences name it. */
export function roleName(role: Role): "client" | "server" {
  return role === Role.CLIENT ? "client" : "server";
}

/**
 * Bits for what a side can do or says of itself; unknown ones are ignored. A browser has no
 * datagrams and cannot tell the TLS connection below, so it never says 8 (CHANNEL) and 16 (UDP).
 */
export const Capability = { DTX: 2, RESUMES: 4 } as const;

/** Why a call was refused or has ended. */
export const Reason = {
  OTHER: 0,
  ENDED: 1,
  BUSY: 2,
  VERSION: 3,
  MODEL: 4,
  RATES: 5,
  SECRET: 6,
  PROTOCOL: 7,
  TIMEOUT: 8,
  TAKEN_OVER: 9,
  /** The connection broke; never sent. */
  LOST: 10,
} as const;
export type Reason = (typeof Reason)[keyof typeof Reason];

const REASONS: ReadonlySet<number> = new Set(Object.values(Reason));

/** The reason of a received byte; codes of later versions read as OTHER. */
export function reasonOfCode(code: number): Reason {
  return REASONS.has(code) ? (code as Reason) : Reason.OTHER;
}
