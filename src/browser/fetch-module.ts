/** A WebAssembly module as bytes, over HTTP. */
import { CapacityError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';

const MAGIC = '\0asm';

export interface FetchModuleOptions {
  /** Who needs what, for messages: `The CPU device needs the kernels`. */
  readonly need: string;
  readonly remedy: string;
  readonly signal: CancelSignal | undefined;
}

/** @throws CapacityError where there is none; the signal's reason when it aborts */
export async function fetchModule(url: string | URL, { need, remedy, signal }: FetchModuleOptions): Promise<Uint8Array<ArrayBuffer>> {
  const fail = (found: string, cause?: unknown) => new CapacityError(`${need} at ${url}, ${found}. ${remedy}`, { cause });
  const response = await fetch(url, { signal: signal ?? null }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw fail('which cannot be fetched', cause);
  });
  if (!response.ok) throw fail(`where the server answered ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (String.fromCharCode(...bytes.subarray(0, MAGIC.length)) !== MAGIC) throw fail('where there is no WebAssembly module');
  return bytes;
}
