/** The page's end of the codec worker. */
import type { Coded, Loaded, Reply, Request } from "./messages";

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** Asks the worker; what goes wrong there is thrown here. */
export class CodecClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #id = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      this.#waiting.get(data.id)?.resolve(data);
      this.#waiting.delete(data.id);
    };
    worker.onerror = (event) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(event.message || "the codec's worker failed"));
      this.#waiting.clear();
    };
  }

  /** Fetch and try the models; takes a second or two the first time. */
  async load(): Promise<Loaded> {
    const reply = await this.#ask({ id: this.#id++, kind: "load" });
    if ("loaded" in reply) return reply.loaded;
    throw new Error("error" in reply ? reply.error : "the codec's worker misunderstood");
  }

  /** A sound, 24 kHz mono, at the rate of this name. */
  async code(pcm: Float32Array, rate: string): Promise<Coded> {
    const reply = await this.#ask({ id: this.#id++, kind: "code", rate, pcm });
    if ("coded" in reply) return reply.coded;
    throw new Error("error" in reply ? reply.error : "the codec's worker misunderstood");
  }

  #ask(request: Request): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(request.id, { resolve, reject });
      this.#worker.postMessage(request);
    });
  }
}
