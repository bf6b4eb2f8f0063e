/**
 * API keys: `ingot-<id>-<secret>`. The id says which key it is, the secret has 256 random bits, and what is kept is the SHA-256 of the
 * whole text. A hash made for passwords would only slow down what cannot be guessed.
 */
import { hexOf } from '../../tensor/hex-of.ts';
import { sha256Hex } from '../sha256-hex.ts';

const KEY = /^ingot-([0-9a-f]{16})-[A-Za-z0-9_-]{43}$/;

/** Two texts of one length, in a time that does not depend on where they differ. */
function isEqualInConstantTime(one: string, other: string): boolean {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) difference |= one.charCodeAt(at) ^ other.charCodeAt(at % Math.max(1, other.length));
  return difference === 0;
}

/** What is kept of a key: SHA-256 of its text, in 64 hexadecimal digits. */
export function hashKey(text: string): Promise<string> {
  return sha256Hex(text);
}

export function newKey(): { readonly id: string; readonly text: string } {
  const id = hexOf(crypto.getRandomValues(new Uint8Array(8)));
  const secret = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
  return { id, text: `ingot-${id}-${secret.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}` };
}

/** The id that a text names, where it has the form of a key. */
export function idOfKey(text: string): string | undefined {
  return KEY.exec(text)?.[1];
}

/** What a text is compared with where there is no such key, so that both take as long. */
const NO_HASH = '0'.repeat(64);

/** @param hash of the key that is kept under the text's id; undefined where there is none */
export async function isKey(text: string, hash: string | undefined): Promise<boolean> {
  const isEqual = isEqualInConstantTime(await hashKey(text), hash ?? NO_HASH);
  return hash !== undefined && isEqual;
}
