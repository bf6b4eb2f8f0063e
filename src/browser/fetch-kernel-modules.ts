/** The kernel modules as bytes, over HTTP. */
import type { KernelBytes } from '../cpu/thread-host.ts';
import type { CancelSignal, PlatformUrl } from '../tensor/platform.ts';
import { fetchModule } from './fetch-module.ts';

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
    fetchModule(plain ?? new URL('../../dist/wasm/cpu.wasm', import.meta.url), { ...KERNELS, signal }),
    fetchModule(relaxed ?? new URL('../../dist/wasm/cpu-relaxed.wasm', import.meta.url), { ...KERNELS, signal }),
  ]);
  return { plain: plainBytes, relaxed: relaxedBytes };
}

const KERNELS = {
  need: 'The CPU device needs the kernels',
  remedy:
    "A bundler that moves this package's code must move them too: " +
    'else pass the URLs of ingot/wasm/cpu.wasm and ingot/wasm/cpu-relaxed.wasm.',
};
