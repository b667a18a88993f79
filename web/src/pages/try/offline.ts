/** Has the service worker keep what this page is made of. */

/**
 * Keep the page, what it loaded and `addresses` for when there is no network.
 *
 * @returns false where that cannot be: an insecure context, or a browser that stores nothing
 */
export async function keepForLater(addresses: readonly string[]): Promise<boolean> {
  if (!("serviceWorker" in navigator)) return false;
  try {
    await navigator.serviceWorker.register("/service_worker.js");
    const { active } = await navigator.serviceWorker.ready;
    const used = performance.getEntriesByType("resource").map(({ name }) => name);
    const page = location.href.split("#")[0]!;
    const { port1, port2 } = new MessageChannel();
    const kept = new Promise<boolean>((resolve) => {
      port1.onmessage = ({ data }: MessageEvent<boolean>) => resolve(data);
    });
    active?.postMessage({ keep: [...new Set([page, ...used, ...addresses])] }, [port2]);
    return active ? await kept : false;
  } catch {
    return false;
  }
}
