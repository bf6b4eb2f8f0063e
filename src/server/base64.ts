/** Bytes as base64 and back, as far as bodies and events have sound in them. */
import { invalid } from './failure.ts';

export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary);
}

/** @param at its place, for messages: `audio`. @throws Failure (400) for a text that is no base64 */
export function fromBase64(text: string, at: string): Uint8Array<ArrayBuffer> {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw invalid(`${at} must be base64.`, { param: at, code: 'invalid_base64' });
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
