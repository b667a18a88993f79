/** Messages and state machine of a call, without sockets and clocks (docs/reference/protocol.md). */

export { Secret } from "./auth";
export { Call, DEFAULT_HOLD_S, SILENT_S } from "./call";
export { isCodePhrase, tidyCodePhrase } from "./code_phrase";
export { Counters } from "./counters";
export type { Direction, Endpoint, LocalModel } from "./endpoint";
export { type Closed, type Established, type Event, mayRetry } from "./events";
export { Kind, Reason, Role } from "./kinds";
export { DEFAULT_LIMITS, type Limits, MAX_MESSAGE_BYTES } from "./limits";
export type { Echo, Mute, ReceiverReport, Text } from "./messages";
export { Session, type State } from "./session";
