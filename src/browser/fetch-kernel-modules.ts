/** The kernel modules as bytes, over HTTP. */
import type { KernelBytes } from '../cpu/thread-host.ts';
import { CapacityError } from '../tensor/errors.ts';
import type { CancelSignal, PlatformUrl } from '../tensor/platform.ts';

export interface KernelModuleUrls {
  /** Of `ingot/wasm/cpu.wasm`. Default: where it lies beside this package's code, which bundlers find by themselves. */
  readonly plain?: string | PlatformUrl | undefined;
  /** Of `ingot/wasm/cpu-relaxed.wasm`. */
  readonly relaxed?: string | PlatformUrl | undefined;
  readonly signal?: CancelSignal | undefined;
}

/**
 * Fetches both modules for `createCpuExecutor`.
 * @throws CapacityError where a URL does not give a WebAssembly module; the signal's reason when it aborts
 */
export async function fetchKernelModules({ plain, relaxed, signal }: KernelModuleUrls = {}): Promise<KernelBytes> {
  // Written out, so that bundlers see both files.
  const [plainBytes, relaxedBytes] = await Promise.all([
    fetchModule(plain ?? new URL('../../dist/wasm/cpu.wasm', import.meta.url), signal),
    fetchModule(relaxed ?? new URL('../../dist/wasm/cpu-relaxed.wasm', import.meta.url), signal),
  ]);
  return { plain: plainBytes, relaxed: relaxedBytes };
}

const magic = '\0asm';

async function fetchModule(url: string | URL, signal: AbortSignal | undefined): Promise<Uint8Array<ArrayBuffer>> {
  const fail = (found: string, cause?: unknown) => new CapacityError(
    `The CPU device needs the kernels at ${url}, ${found}. A bundler that moves this package's code must move them too: ` +
      'else pass the URLs of ingot/wasm/cpu.wasm and ingot/wasm/cpu-relaxed.wasm.',
    { cause },
  );
  const response = await fetch(url, { signal }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw fail('which cannot be fetched', cause);
  });
  if (!response.ok) throw fail(`where the server answered ${response.status}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (String.fromCharCode(...bytes.subarray(0, magic.length)) !== magic) throw fail('where there is no WebAssembly module');
  return bytes;
}
