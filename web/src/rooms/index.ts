/**
 * Rooms: calls of any number of people through a relay that can hear none of them, without sockets
 * and clocks (docs/reference/rooms.md).
 */

export { RoomCode } from "./code";
export { CodeJoiner } from "./code_joiner";
export { type MemberNamed, type RoomClosed, type RoomEvent, mayRetryRoom } from "./events";
export { RoomKeys } from "./keys";
export { RoomLink } from "./link";
export { RoomReason } from "./messages";
export { RoomSession, type RoomState } from "./session";
