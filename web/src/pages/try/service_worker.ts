/**
 * Lets the page run without a network once it was loaded. The network comes first, so nobody gets
 * an old page from a server that is there; what the page tells us to keep is given when it is not.
 */
const CACHE = "q2d2-try";

interface ExtendableEvent extends Event {
  waitUntil(done: Promise<unknown>): void;
}

interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

interface Scope {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}

const scope = self as unknown as Scope;

self.addEventListener("install", () => void scope.skipWaiting());

self.addEventListener("activate", (event) => {
  (event as ExtendableEvent).waitUntil(scope.clients.claim());
});

/** The addresses of everything that the page has used; what is no longer among them is dropped. */
async function keep(addresses: readonly string[]): Promise<void> {
  const cache = await caches.open(CACHE);
  const isOurs = (address: string): boolean => new URL(address).origin === location.origin;
  await cache.addAll(addresses.filter(isOurs));
  const kept = new Set(addresses);
  for (const request of await cache.keys()) if (!kept.has(request.url)) await cache.delete(request);
}

self.addEventListener("message", (event) => {
  const { data, ports } = event as MessageEvent<{ keep: readonly string[] }>;
  const done = keep(data.keep).then(
    () => ports[0]?.postMessage(true),
    () => ports[0]?.postMessage(false),
  );
  (event as unknown as ExtendableEvent).waitUntil(done);
});

async function answer(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await caches.match(request);
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("fetch", (event) => {
  const { request, respondWith } = event as FetchEvent;
  if (request.method === "GET" && new URL(request.url).origin === location.origin)
    respondWith.call(event, answer(request));
});
