/** Runs the codec away from the page. */
import { Codec } from "../../engine/codec";
import { ServedFiles } from "../../engine/files";
import { Q2D2Error } from "../../errors";
import type { Coded, Loaded, Reply, Request } from "./messages";

const PACKET_FRAMES = 3; // as in a call

let loading: Promise<Codec> | undefined;

function load(): Promise<Codec> {
  return (loading ??= Codec.load(new ServedFiles("/models/")));
}

function about(codec: Codec): Loaded {
  return {
    modelId: codec.modelId,
    rates: codec.rates.map(({ name, kbps }) => ({ name, kbps })),
    files: [location.href, ...performance.getEntriesByType("resource").map(({ name }) => name)],
  };
}

function code(codec: Codec, rate: string, pcm: Float32Array): Coded {
  const { hop } = codec.config;
  const encoder = codec.encoder(rate);
  const decoder = codec.decoder();
  const delay = encoder.rate.lookahead;
  const frames = Math.ceil((pcm.length + delay) / hop / PACKET_FRAMES) * PACKET_FRAMES;
  const padded = new Float32Array(frames * hop);
  padded.set(pcm);
  const heard = new Float32Array(padded.length);
  const packets: Uint8Array[] = [];
  const encodeMs = new Float64Array(frames);
  const decodeMs = new Float64Array(frames);
  let rows: Uint8Array[] = [];
  for (let n = 0; n < frames; n++) {
    const start = performance.now();
    const row = encoder.push(padded.subarray(n * hop, (n + 1) * hop));
    const encoded = performance.now();
    heard.set(decoder.push(row), n * hop);
    encodeMs[n] = encoded - start;
    decodeMs[n] = performance.now() - encoded;
    rows.push(row);
    if (rows.length < PACKET_FRAMES) continue;
    packets.push(codec.packets.encode(rows));
    rows = [];
  }
  return { pcm: heard.slice(delay, delay + pcm.length), packets, encodeMs, decodeMs };
}

async function answer(request: Request): Promise<Reply> {
  const { id } = request;
  try {
    const codec = await load();
    if (request.kind === "load") return { id, loaded: about(codec) };
    return { id, coded: code(codec, request.rate, request.pcm) };
  } catch (error) {
    if (request.kind === "load") loading = undefined; // the next try begins anew
    return { id, error: error instanceof Q2D2Error ? error.message : String(error) };
  }
}

self.addEventListener("message", (event: MessageEvent<Request>) => {
  void answer(event.data).then((reply) => self.postMessage(reply));
});
