/**
 * The jitter buffer: received frames by sequence number, bounded, every drop counted by cause.
 *
 * Sequence numbers of the protocol are 32 bits wide and wrap; inside, {@link Unwrapper} turns them
 * into plain integers that only grow.
 */
import { InputError } from "../errors";

const MODULUS = 2 ** 32;
const MEMORY = 1024; // how many taken frames are remembered, to tell a duplicate from a late frame

/** The remainder that has the divisor's sign. */
const modulo = (value: number, divisor: number): number =>
  ((value % divisor) + divisor) % divisor;

/**
 * Extends a wrapping 32-bit counter to an integer of any size. The nearest value to the last one is
 * taken, so steps of up to 2**31 either way are followed.
 */
export class Unwrapper {
  #last: number | undefined;

  /**
   * What {@link unwrap} would return for `value` (0 to 2**32 - 1), without moving on.
   * Throws InputError for a value that does not fit in 32 bits.
   */
  peek(value: number): number {
    if (!Number.isInteger(value) || value < 0 || value >= MODULUS)
      throw new InputError(`a 32-bit counter is ${value}, expected 0 to ${MODULUS - 1}`);
    // One lap up at first, so that frames from just before the first one are not negative.
    if (this.#last === undefined) return value + MODULUS;
    const half = MODULUS / 2;
    return this.#last + modulo(value - this.#last + half, MODULUS) - half;
  }

  /** The unwrapped counter for `value`, which becomes the new point of reference. */
  unwrap(value: number): number {
    this.#last = this.peek(value);
    return this.#last;
  }
}

/** One received frame. */
export interface Frame {
  /** Unwrapped sequence number; consecutive for the frames that were sent. */
  readonly seq: number;
  /** Unwrapped sender time in frames; jumps over pauses that were not sent. */
  readonly timestampFrames: number;
  readonly indices: Uint8Array;
  /** When it came, in seconds. */
  readonly arrival: number;
  /** Whether it is the last frame of a talk spurt. */
  readonly end: boolean;
  /** Whether it is a keep-alive inside a pause, which is not played. */
  readonly dtx: boolean;
  /** Whether it is of a lower rate, and gives way to the frame itself. */
  readonly isCopy: boolean;
}

/** What became of every frame: received and copied are the drops, the taken and the held. */
export interface BufferCounts {
  /** Frames that were put. */
  received: number;
  /** Handed out to be played. */
  taken: number;
  /** Came after their turn had passed. */
  late: number;
  /** Were here already. */
  duplicate: number;
  /** Dropped, oldest first, because the buffer was full. */
  overflow: number;
  /** Dropped to shorten the delay after a stall. */
  skipped: number;
  /** Sequence numbers that were passed over and never came in time (not in the sum). */
  missing: number;
  /** Copies that stand in for frames which have not come. */
  copied: number;
  /** Copies that were taken, as the frame itself never came (among the taken). */
  repaired: number;
}

/**
 * Frames in waiting, keyed by unwrapped sequence number. Holds at most `capacity` frames; when one
 * more comes, the oldest is dropped. Throws InputError for a capacity below 1.
 */
export class JitterBuffer {
  readonly counts: BufferCounts = {
    received: 0,
    taken: 0,
    late: 0,
    duplicate: 0,
    overflow: 0,
    skipped: 0,
    missing: 0,
    copied: 0,
    repaired: 0,
  };
  readonly #capacity: number;
  readonly #frames = new Map<number, Frame>();
  readonly #taken = new Float64Array(MEMORY).fill(-1);
  #nextSeq: number | undefined;
  #newest = -1;

  constructor(capacity = 256) {
    if (capacity < 1)
      throw new InputError(`the jitter buffer's capacity is ${capacity}, expected at least 1`);
    this.#capacity = capacity;
  }

  /** Frames held. */
  get size(): number {
    return this.#frames.size;
  }

  /** The sequence number whose turn it is; undefined until playing begins. */
  get nextSeq(): number | undefined {
    return this.#nextSeq;
  }

  /** Frames from the next one to the newest one received, with the gaps between them. */
  get spanFrames(): number {
    if (this.#frames.size === 0) return 0;
    return this.#newest - (this.#nextSeq ?? this.#oldest()) + 1;
  }

  /**
   * Stores one frame, in any order; false if it was dropped on the spot (counted). A copy is
   * nothing where the frame or its turn was here, and then it is not counted.
   */
  put(frame: Frame): boolean {
    const { seq, isCopy } = frame;
    const held = this.#frames.get(seq);
    const isOver = this.#taken[modulo(seq, MEMORY)] === seq;
    if (isCopy) {
      if (held !== undefined || isOver || this.#isPast(seq)) return false;
      this.counts.copied++;
    } else {
      this.counts.received++;
      if (held?.isCopy) {
        this.counts.copied--; // as if it had never come
        this.#frames.delete(seq);
      } else if (held !== undefined || isOver) {
        this.counts.duplicate++;
        return false;
      }
    }
    if (this.#isPast(seq)) {
      this.counts.late++;
      return false;
    }
    if (this.#frames.size >= this.#capacity) {
      this.counts.overflow++;
      const oldest = this.#oldest();
      if (seq < oldest) return false; // it is itself the oldest
      this.#frames.delete(oldest);
      if (this.#nextSeq !== undefined) {
        this.counts.missing += oldest - this.#nextSeq;
        this.#nextSeq = oldest + 1;
      }
    }
    this.#frames.set(seq, frame);
    this.#newest = Math.max(this.#newest, seq);
    return true;
  }

  /** The frame `ahead` places after the next one, or undefined where it is not here. */
  peek(ahead = 0): Frame | undefined {
    return this.#nextSeq === undefined ? undefined : this.#frames.get(this.#nextSeq + ahead);
  }

  /** The oldest frame held, or undefined when the buffer is empty. */
  first(): Frame | undefined {
    return this.peek() ?? this.#frames.get(this.#oldest());
  }

  /** Removes and returns the next frame, which must be here ({@link peek} says so). */
  take(): Frame {
    const frame = this.peek();
    if (frame === undefined) throw new Error("the next frame is not here");
    this.#frames.delete(frame.seq);
    this.#taken[modulo(frame.seq, MEMORY)] = frame.seq;
    this.#nextSeq = frame.seq + 1;
    this.counts.taken++;
    if (frame.isCopy) this.counts.repaired++;
    return frame;
  }

  /** Makes `seq` the next one: what is held before it is skipped, the rest missing. */
  advance(seq: number): void {
    this.#nextSeq ??= Math.min(seq, this.#oldest());
    if (seq <= this.#nextSeq) return;
    const passed = [...this.#frames.keys()].filter((held) => held < seq);
    for (const held of passed) this.#frames.delete(held);
    this.counts.skipped += passed.length;
    this.counts.missing += seq - this.#nextSeq - passed.length;
    this.#nextSeq = seq;
  }

  /** Forgets the stream, for a sender that starts anew; what is held counts as skipped. */
  clear(): void {
    this.counts.skipped += this.#frames.size;
    this.#frames.clear();
    this.#taken.fill(-1);
    this.#nextSeq = undefined;
    this.#newest = -1;
  }

  /** The least number held; infinity where none is. */
  #oldest(): number {
    let oldest = Infinity;
    for (const seq of this.#frames.keys()) oldest = Math.min(oldest, seq);
    return oldest;
  }

  #isPast(seq: number): boolean {
    return this.#nextSeq !== undefined && seq < this.#nextSeq;
  }
}
