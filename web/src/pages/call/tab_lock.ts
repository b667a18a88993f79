/** One tab at a time is in a call: two of one person would hear each other. */

const CHANNEL = "q2d2-call-tabs";

export class TabLock {
  readonly #channel = new BroadcastChannel(CHANNEL);
  #release: (() => void) | null = null;

  /** @param onTaken called when another tab takes the call over */
  constructor(onTaken: () => void) {
    this.#channel.onmessage = ({ data }: MessageEvent<string>) => {
      if (this.#release !== null && data === "take over") onTaken();
    };
  }

  /** Whether no other tab is in a call; this one is, from now on. */
  async take(): Promise<boolean> {
    if (this.#release !== null) return true;
    return await new Promise((resolve) => {
      void navigator.locks.request(CHANNEL, { ifAvailable: true }, async (lock) => {
        resolve(lock !== null);
        if (lock === null) return;
        await new Promise<void>((release) => {
          this.#release = release;
        });
      });
    });
  }

  /** Have the other tab leave, and take its place when it has. */
  async takeOver(): Promise<void> {
    this.#channel.postMessage("take over");
    await new Promise<void>((resolve) => {
      void navigator.locks.request(CHANNEL, async () => {
        resolve();
        await new Promise<void>((release) => {
          this.#release = release;
        });
      });
    });
  }

  /** This tab is in no call any more. */
  leave(): void {
    this.#release?.();
    this.#release = null;
  }
}
