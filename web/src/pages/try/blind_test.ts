/** A blind comparison: is A the original, or B? */

export type Side = "A" | "B";

/** Trials and what came of them. */
export class BlindTest {
  right = 0;
  trials = 0;
  #original: Side;

  /** @param random a number from 0 to below 1 for every trial */
  constructor(private readonly random: () => number = Math.random) {
    this.#original = this.#draw();
  }

  /** Whether this side plays the original in the trial that is on. */
  isOriginal(side: Side): boolean {
    return side === this.#original;
  }

  /** Say which side is the original; the next trial begins. Returns whether that was right. */
  vote(side: Side): boolean {
    const isRight = this.isOriginal(side);
    this.trials += 1;
    if (isRight) this.right += 1;
    this.#original = this.#draw();
    return isRight;
  }

  /** How likely it is to be right as often or more by guessing, 0 to 1. */
  get chance(): number {
    let ways = 1; // of being right n times
    let sum = 0;
    for (let n = 0; n <= this.trials; n++) {
      if (n >= this.right) sum += ways;
      ways = (ways * (this.trials - n)) / (n + 1);
    }
    return sum / 2 ** this.trials;
  }

  #draw(): Side {
    return this.random() < 0.5 ? "A" : "B";
  }
}
