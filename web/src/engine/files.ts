/** Where the codec's files come from. */
import { ModelError } from "../errors";
import { liteRtName, startLiteRt, type LiteRtModule, type ModuleFactory } from "./litert_module";

/** Models and engine; the tests have them from the disk. */
export interface CodecFiles {
  /** LiteRT, started. */
  engine(): Promise<LiteRtModule>;

  /** A file of the folder of models; null where there is none. */
  model(name: string): Promise<Uint8Array | null>;
}

/** Files of the server that the worker itself came from. For classic workers. */
export class ServedFiles implements CodecFiles {
  readonly #models: URL;
  readonly #engine: URL;

  /**
   * @param models folder of the models, with a slash at its end, from the worker's script on
   * @param engine folder of LiteRT's files
   */
  constructor(models: string | URL = "models/", engine: string | URL = "./") {
    this.#models = new URL(models, location.href);
    this.#engine = new URL(engine, location.href);
  }

  async engine(): Promise<LiteRtModule> {
    const scope = self as unknown as {
      importScripts(url: string): void;
      ModuleFactory: ModuleFactory;
    };
    try {
      scope.importScripts(new URL(`${liteRtName()}.js`, this.#engine).href);
      const locate = (name: string): string => new URL(name, this.#engine).href;
      return await startLiteRt(scope.ModuleFactory, locate);
    } catch (error) {
      throw new ModelError(
        `the engine did not start (${String(error)}): reload the page, or try another browser`,
      );
    }
  }

  async model(name: string): Promise<Uint8Array | null> {
    let response: Response;
    try {
      response = await fetch(new URL(name, this.#models));
      if (response.ok) return new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      throw new ModelError(
        `${name} did not arrive (${String(error)}): check the network and reload`,
      );
    }
    if (response.status === 404) return null;
    throw new ModelError(`${name} did not arrive (status ${response.status}): reload the page`);
  }
}
