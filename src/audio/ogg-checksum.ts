/** The CRC of Ogg's pages (RFC 3533, section 6): polynomial 0x04c11db7, highest bit first, beginning with 0. */

/** Where a page holds it. */
const CHECKSUM_AT = 22;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit++) value = (value << 1) ^ (value < 0 ? 0x04c1_1db7 : 0);
  return value;
});

/** @param page all of its bytes, from "OggS" on */
export function hasRightChecksum(page: Uint8Array): boolean {
  if (page.length < CHECKSUM_AT + 4) return false;
  let sum = 0;
  for (let i = 0; i < page.length; i++) {
    const byte = i >= CHECKSUM_AT && i < CHECKSUM_AT + 4 ? 0 : page[i]!;
    sum = (sum << 8) ^ TABLE[(sum >>> 24) ^ byte]!;
  }
  return sum >>> 0 === new DataView(page.buffer, page.byteOffset).getUint32(CHECKSUM_AT, true);
}
