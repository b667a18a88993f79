/**
 * What leaves this side and when: DTX, the send queue, rate control, and what a message costs.
 * Everything here takes `now` (seconds) as an argument and never reads a clock.
 */

export { DEFAULT_DTX, Dtx, type DtxOptions, PUSH_TO_TALK, type SpurtFrame } from "./dtx";
export { WebSocketLink } from "./link";
export { LinkMonitor } from "./link_monitor";
export { type Kbps, WireMeter } from "./overhead";
export { RateController, type SendPlan, type SendState } from "./rate_control";
export { SendQueue } from "./send_queue";
