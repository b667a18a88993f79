/** Calls as Python's caller has lived through them, step by step. */
import { hexToBytes } from "@noble/hashes/utils.js";
import { expect, test } from "vitest";
import { Call, type Event, Reason, Role, Session } from "../../src/protocol";
import { Spake2Exchange, X25519Exchange } from "../../src/protocol/key_exchange";
import { type Script, act, answerOf, endpointOf, plain, plainFrames, reportOf } from "../scripts";
import { readJson } from "../vectors";

const CALLS = readJson<Script[]>("tests/web/vectors/calls.json");

/** An event as the vectors have it. */
function named(event: Event): unknown {
  switch (event.type) {
    case "established": {
      const { type, framesPerMessage, resumed, authenticated, sending } = event;
      const { rates, coder } = sending;
      const isCoded = coder !== null;
      return { type, framesPerMessage, resumed, authenticated, sending: rates, isCoded };
    }
    case "audio":
      return Object.assign({ type: "AudioFrames" }, plainFrames(event.frames));
    case "report": {
      const { kind: _, ...fields } = event.report;
      return { type: "ReceiverReport", ...fields };
    }
    case "closed":
      return { ...event, type: "Closed" };
    default:
      return { ...event, type: event.type[0]!.toUpperCase() + event.type.slice(1) };
  }
}

test.each(CALLS.map((script, at) => ({ at, script })))("call $at", async ({ script }) => {
  const endpoint = await endpointOf(script.setup);
  const call = new Call(Uint8Array.from({ length: 16 }, (_, n) => n));
  let session: Session | undefined;
  script.steps.forEach((step, at) => {
    let events: unknown[] = [];
    if (step.do === "connect") {
      call.nextSequence = step.sequence;
      const entropy = hexToBytes(step.entropy);
      const exchange =
        endpoint.secret === null
          ? new X25519Exchange(entropy.slice(0, 32))
          : new Spake2Exchange(endpoint.secret, Role.CLIENT, entropy);
      const nonce = hexToBytes(step.nonce);
      session = new Session(endpoint, call, step.now, { nonce, exchange });
    } else if (step.do === "report") {
      session!.sendReport(reportOf(step), step.now);
    } else {
      events = (act(session!, step) as Event[]).map(named).map(plain);
    }
    const { answers } = script;
    expect({ events, ...answerOf(session!) }, `step ${at}: ${step.do}`).toEqual(answers[at]);
  });
  expect({ ...session!.counters }).toEqual(script.counters);
});

test("a hello that is cut ends it, and so does a message without any bytes", async () => {
  for (const data of [new Uint8Array(0), hexToBytes("015132443202"), "text"]) {
    const session = new Session(await endpointOf(CALLS[0]!.setup), new Call(), 0);
    session.dataToSend();
    const [closed] = session.receiveData(data, 0);
    expect(closed).toMatchObject({ type: "closed", reason: Reason.PROTOCOL, byPeer: false });
    expect(session.counters.malformed).toBe(1);
    expect(session.dataToSend()[0]!.slice(0, 2)).toEqual(Uint8Array.of(3, Reason.PROTOCOL));
    expect(session.receiveData(data, 0)).toEqual([]);
    expect(session.deadline).toBeNull();
  }
});
