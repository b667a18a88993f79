/** CRC-32 of zlib, gzip and ZIP, as Python's `zlib.crc32`. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  return crc;
});

/** The checksum of `data` after bytes whose checksum was `before`, 0 to 2**32 - 1. */
export function crc32(data: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let at = 0; at < data.length; at++) crc = TABLE[(crc ^ data[at]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
