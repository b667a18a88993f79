/** Frames that wait to be sent: bounded, the oldest dropped first, every drop counted. */
import { InputError } from "../errors";
import type { AudioFrames } from "../frames";
import type { Call } from "../protocol/call";
import { add } from "../protocol/sequence";
import type { SpurtFrame } from "./dtx";

interface Waiting {
  readonly sequence: number;
  readonly frame: SpurtFrame;
}

/**
 * Numbers frames as they come and groups them into messages. A dropped frame keeps its number, so
 * the receiver sees a gap and conceals it.
 */
export class SendQueue {
  readonly #call: Pick<Call, "takeSequence">;
  readonly #maxFrames: number;
  #waiting: Waiting[] = [];
  #dropped = 0;

  /**
   * @param call gives the sequence numbers, which go on over reconnections
   * @param maxFrames frames kept, at least 8; 38 is half a second
   */
  constructor(call: Pick<Call, "takeSequence">, maxFrames = 38) {
    if (!(maxFrames >= 8)) throw new InputError(`maxFrames is ${maxFrames}, expected at least 8`);
    this.#call = call;
    this.#maxFrames = maxFrames;
  }

  /** Frames that wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Frames dropped since the beginning. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Add a frame; drops the oldest when full. */
  push(frame: SpurtFrame): void {
    this.#waiting.push({ sequence: this.#call.takeSequence(), frame });
    this.dropOldest(this.#waiting.length - this.#maxFrames);
  }

  /** Drop `frames` frames, or as many as there are. */
  dropOldest(frames: number): void {
    for (let left = frames; left > 0; left -= 1) {
      const lost = this.#waiting.shift();
      if (lost === undefined) return;
      this.#dropped += 1;
      const heir = this.#waiting[0];
      // The talk spurt now begins with the frame after, unless that is already silence.
      if (lost.frame.start && heir?.sequence === add(lost.sequence, 1) && !heir.frame.dtx)
        this.#waiting[0] = { ...heir, frame: { ...heir.frame, start: true } };
    }
  }

  /**
   * The next message of `frames` frames, 1 to 16; null when there are not enough yet. It is shorter
   * where the rate changes, a spurt ends or silence was left out.
   */
  take(frames: number): AudioFrames | null {
    let count = 0;
    let isComplete = false;
    for (const { frame } of this.#waiting) {
      const before = this.#waiting[count - 1]?.frame;
      isComplete = count === frames || (before !== undefined && !follows(before, frame));
      if (isComplete) break;
      count += 1;
    }
    const first = this.#waiting[0];
    const last = this.#waiting[count - 1];
    if (first === undefined || last === undefined) return null;
    if (!(isComplete || count === frames || last.frame.end || last.frame.dtx)) return null;
    const taken = this.#waiting.splice(0, count);
    return {
      sequence: first.sequence,
      timestamp: first.frame.timestamp,
      indices: taken.map(({ frame }) => frame.indices),
      start: first.frame.start,
      end: last.frame.end,
      dtx: first.frame.dtx,
      isCopy: false,
    };
  }
}

/** Whether both fit into one message. */
function follows(last: SpurtFrame, frame: SpurtFrame): boolean {
  return (
    frame.timestamp === add(last.timestamp, 1) &&
    frame.indices.length === last.indices.length &&
    !(last.end || last.dtx || frame.start || frame.dtx)
  );
}
