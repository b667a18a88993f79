/** From a short code that was read out to the link of a room. */
import { Q2D2Error, WireError } from "../errors";
import { CodeJoiner, type RoomCode, type RoomLink } from "../rooms";
import { WrongCodeError } from "../rooms/code_joiner";
import type { Problem } from "./events";
import type { Socket } from "./line";

const LIMIT_S = 20;

/** A code that led nowhere; `problem` as of a connection, "secret" where the code is wrong. */
export class CodeError extends Q2D2Error {
  readonly problem: Problem;

  constructor(problem: Problem, text: string) {
    super(text);
    this.problem = problem;
  }
}

/**
 * Ask the member who shows the code, by way of its relay.
 *
 * @param code that was read out
 * @param connect makes a websocket
 * @throws CodeError where the relay cannot be reached, or the code leads nowhere
 */
export function linkOfCode(
  code: RoomCode,
  connect: (url: string) => Socket = (url) => new WebSocket(url) as unknown as Socket,
): Promise<RoomLink> {
  const joiner = new CodeJoiner(code);
  const socket = connect(code.websocketUrl);
  return new Promise((resolve, reject) => {
    let isOpen = false;
    const end = (act: () => void): void => {
      clearTimeout(timer);
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      act();
    };
    const fail = (problem: Problem, text: string): void =>
      end(() => reject(new CodeError(problem, text)));
    const timer = setTimeout(
      () => fail("timeout", "nobody answered to the code: is who shows it still in the room?"),
      1000 * LIMIT_S,
    );
    socket.binaryType = "arraybuffer";
    socket.onerror = () => {}; // a close follows
    socket.onopen = () => (isOpen = true);
    socket.onclose = () =>
      isOpen
        ? fail("lost", "the connection to the relay broke")
        : fail("unreachable", `${new URL(code.relay).host} cannot be reached`);
    socket.onmessage = ({ data }) => {
      if (!(data instanceof ArrayBuffer)) return;
      try {
        const answer = joiner.receiveData(new Uint8Array(data));
        if (answer !== null) socket.send(answer as Uint8Array<ArrayBuffer>);
        const { link } = joiner;
        if (link !== null) end(() => resolve(link));
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        fail(error instanceof WrongCodeError ? "secret" : "other", error.message);
      }
    };
  });
}
