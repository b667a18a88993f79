/** The page's end of a call: owns the worker, and knows nothing of elements. */
import type { FromWorker, ToWorker } from "./worker_messages";

export class CallClient {
  readonly #worker: Worker;

  /**
   * @param script of the worker
   * @param onMessage called with everything that the worker tells
   */
  constructor(script: string | URL, onMessage: (message: FromWorker) => void) {
    this.#worker = new Worker(script);
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => onMessage(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      onMessage({ type: "failed", text: event.message || "the worker could not be loaded" });
    };
  }

  tell(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** End the worker and all that it holds. */
  close(): void {
    this.#worker.terminate();
  }
}
