/** Which address is tried next, and when: all of them in turn, then again after growing pauses. */

const PAUSE_S = 0.25;

/** Without a clock: `now` in seconds. */
export class Dialer {
  readonly #urls: readonly string[];
  readonly #longestPauseS: number;
  #at = 0;
  #tries = 0;
  #pauseS = PAUSE_S;
  #until = -Infinity;

  /**
   * @param urls at least one; the first is tried first
   * @param longestPauseS pauses grow from a quarter of a second to this, give or take a fifth, so
   *     that many who lost the same server do not come back at once
   */
  constructor(urls: readonly string[], longestPauseS: number) {
    this.#urls = urls;
    this.#longestPauseS = longestPauseS;
  }

  /** Where to connect now. */
  get url(): string {
    return this.#urls[this.#at % this.#urls.length]!;
  }

  /** From now on no pause begins that ends after `until`. */
  begin(until: number): void {
    this.#until = until;
    this.#tries = 0;
    this.#pauseS = PAUSE_S;
  }

  /** Try the next address first. */
  skip(): void {
    this.#at += 1;
  }

  /** A try has failed; seconds until the next one, null where there is none. */
  failed(now: number): number | null {
    this.skip();
    this.#tries += 1;
    if (this.#tries % this.#urls.length) return 0;
    const pauseS = this.#pauseS * (0.8 + 0.4 * Math.random());
    this.#pauseS = Math.min(2 * this.#pauseS, this.#longestPauseS);
    return now + pauseS > this.#until ? null : pauseS;
  }
}
