/**
 * What zlib compressed, as Python's `zlib.decompress`; at most `mostBytes` of it.
 *
 * @throws TypeError for damaged data, RangeError for more bytes
 */
export async function inflate(data: Uint8Array, mostBytes: number): Promise<Uint8Array> {
  const source = new Blob([data as Uint8Array<ArrayBuffer>]).stream();
  const reader = source.pipeThrough(new DecompressionStream("deflate")).getReader();
  const out = new Uint8Array(mostBytes);
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return out.subarray(0, length);
    if (length + value.length > mostBytes) {
      await reader.cancel();
      throw new RangeError(`more than ${mostBytes} bytes`);
    }
    out.set(value, length);
    length += value.length;
  }
}
