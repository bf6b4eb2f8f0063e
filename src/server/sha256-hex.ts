import { hexOf } from '../tensor/hex-of.ts';

/** SHA-256 of a text as UTF-8, in 64 hexadecimal digits (FIPS 180-4). */
export async function sha256Hex(text: string): Promise<string> {
  return hexOf(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
}
