/**
 * What each side tells the other of the audio that has come, so that the sender knows its link.
 *
 * An echo names the newest message and how long it has been here. It rides on the audio that goes
 * the other way, or goes alone where there is none.
 */
import { Kind } from "./kinds";
import type { Echo } from "./messages";
import { add, distance } from "./sequence";

const MAX_OUTSTANDING = 512;
const LOW = 0xffff;

/** Makes echoes of what comes, and reads those of what was sent; `now` in seconds. */
export class Echoes {
  readonly #rideS: number;
  readonly #aloneS: number;
  readonly #sent = new Map<number, number>();
  #lastSent = 0;
  #newest: { readonly sequence: number; readonly cameAt: number } | null = null;
  #isTold = true;
  #toldAt = -Infinity;
  #rttS: number | null = null;
  #heardAt: number | null = null;

  /**
   * @param rideS least time between echoes that ride on audio
   * @param aloneS how long an echo waits for audio to ride on
   */
  constructor(rideS: number, aloneS: number) {
    this.#rideS = rideS;
    this.#aloneS = aloneS;
  }

  /** The latest round trip of a message; null before the first. */
  get rttS(): number | null {
    return this.#rttS;
  }

  /** When the latest echo came; null before the first. */
  get heardAt(): number | null {
    return this.#heardAt;
  }

  /** The message from `sequence` on has come. */
  received(sequence: number, now: number): void {
    if (this.#newest !== null && distance(this.#newest.sequence, sequence) <= 0) return;
    this.#newest = { sequence, cameAt: now };
    this.#isTold = false;
  }

  /** What audio that goes now should carry. */
  toRide(now: number): Echo | null {
    return this.#isTold || now < this.#toldAt + this.#rideS ? null : this.#tell(now);
  }

  /** When an echo must go alone; null when there is none to tell. */
  get deadline(): number | null {
    if (this.#isTold || this.#newest === null) return null;
    return Math.max(this.#newest.cameAt, this.#toldAt) + this.#aloneS;
  }

  /** The echo that found nothing to ride on, once {@link deadline} has passed. */
  toGoAlone(now: number): Echo | null {
    const deadline = this.deadline;
    return deadline !== null && now >= deadline ? this.#tell(now) : null;
  }

  #tell(now: number): Echo | null {
    if (this.#newest === null) return null;
    this.#isTold = true;
    this.#toldAt = now;
    const { sequence, cameAt } = this.#newest;
    return { kind: Kind.ECHO, sequence, heldS: now - cameAt };
  }

  /** The message from `sequence` on was sent. */
  sent(sequence: number, now: number): void {
    this.#sent.set(sequence, now);
    this.#lastSent = sequence;
    if (this.#sent.size > MAX_OUTSTANDING) this.#forgetUntil(null);
  }

  /** The echo with its whole sequence number; null when no such message is outstanding. */
  heard(echo: Echo, now: number): Echo | null {
    const sequence = add(this.#lastSent, -((this.#lastSent - echo.sequence) & LOW));
    const sentAt = this.#sent.get(sequence);
    if (sentAt === undefined) return null;
    this.#forgetUntil(sequence);
    this.#rttS = Math.max(0, now - sentAt - echo.heldS);
    this.#heardAt = now;
    return { ...echo, sequence };
  }

  /** Forget the messages sent up to one, or the oldest. */
  #forgetUntil(last: number | null): void {
    for (const sequence of this.#sent.keys()) {
      this.#sent.delete(sequence);
      if (last === null || sequence === last) return;
    }
  }
}
