/** Files of packages as bytes, over HTTP: WebAssembly modules, and others. */
import { CapacityError } from '../tensor/errors.ts';
import type { CancelSignal } from '../tensor/platform.ts';

const MAGIC = '\0asm';

export interface FetchFileOptions {
  /** Who needs what, for messages: `The CPU device needs the kernels`. */
  readonly need: string;
  readonly remedy: string;
  readonly signal: CancelSignal | undefined;
}

/** @throws CapacityError where there is none; the signal's reason when it aborts */
export async function fetchModule(url: string | URL, options: FetchFileOptions): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await fetchFile(url, options);
  if (String.fromCharCode(...bytes.subarray(0, MAGIC.length)) !== MAGIC)
    throw failed(url, 'where there is no WebAssembly module', options);
  return bytes;
}

/** A file of a package, whole. @throws CapacityError where there is none; the signal's reason when it aborts */
export async function fetchFile(url: string | URL, options: FetchFileOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { signal } = options;
  const response = await fetch(url, { signal: signal ?? null }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw failed(url, 'which cannot be fetched', options, cause);
  });
  if (!response.ok) throw failed(url, `where the server answered ${response.status}`, options);
  return new Uint8Array(await response.arrayBuffer());
}

function failed(url: string | URL, found: string, { need, remedy }: FetchFileOptions, cause?: unknown): CapacityError {
  return new CapacityError(`${need} at ${url}, ${found}. ${remedy}`, { cause });
}
