/** Stays in rooms as Python's member has lived through them, step by step. */
import { hexToBytes } from "@noble/hashes/utils.js";
import { expect, test } from "vitest";
import { type RoomEvent, RoomKeys, RoomSession } from "../../src/rooms";
import { type Script, act, answerOf, endpointOf, plain, plainFrames } from "../scripts";
import { readJson } from "../vectors";

const ROOMS = readJson<Script[]>("tests/web/vectors/rooms.json");
const NAMES: Partial<Record<RoomEvent["type"], string>> = {
  admitted: "Admitted",
  joined: "MemberJoined",
  left: "MemberLeft",
  mute: "MemberMuted",
  text: "MemberText",
  moved: "Moved",
  echo: "Echo",
  closed: "RoomClosed",
};

/** An event as the vectors have it. */
function named(event: RoomEvent): unknown {
  if (event.type === "audio")
    return { type: "MemberAudio", member: event.member, frames: plainFrames(event.frames) };
  if (event.type !== "named") return { ...event, type: NAMES[event.type] };
  const { type, member, name, model } = event;
  return { type, member, name, isHeard: model !== null };
}

test.each(ROOMS.map((script, at) => ({ at, script })))("room $at", async ({ script }) => {
  const endpoint = await endpointOf(script.setup);
  const keys = new RoomKeys(hexToBytes(script.setup.room));
  let session: RoomSession | undefined;
  script.steps.forEach((step, at) => {
    let events: unknown[] = [];
    if (step.do === "connect") {
      const options = { sequence: step.sequence, nonce: hexToBytes(step.nonce) };
      session = new RoomSession(keys, endpoint, step.name, step.now, options);
    } else {
      events = (act(session as never, step) as RoomEvent[]).map(named).map(plain);
    }
    const { answers } = script;
    expect({ events, ...answerOf(session as never) }, `step ${at}: ${step.do}`).toEqual(answers[at]);
  });
  expect({ ...session!.counters }).toEqual(script.counters);
});
