/** The kernel modules as bytes, from the build beside this package's code. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import type { KernelBytes } from '../cpu/thread-host.ts';
import { CapacityError } from '../tensor/errors.ts';

/**
 * Reads both modules. From `src` and from `dist/node` alike they lie in `dist/wasm`.
 * @throws CapacityError where they were not built
 */
export async function readKernelModules(): Promise<KernelBytes> {
  enableRelaxedSimd();
  const read = async (name: string) => {
    const url = new URL(`../../dist/wasm/${name}`, import.meta.url);
    const bytes = await readFile(url).catch((cause: NodeJS.ErrnoException) => {
      throw new CapacityError(
        `The CPU device needs the kernels in ${fileURLToPath(url)}, which cannot be read (${cause.code ?? cause.message}). ` +
          'In a clone, run "npm run build" once; an installed package without them is damaged: install it again.',
        { cause },
      );
    });
    return new Uint8Array(bytes);
  };
  const [plain, relaxed] = await Promise.all([read('cpu.wasm'), read('cpu-relaxed.wasm')]);
  return { plain, relaxed };
}

/** i16x8.relaxed_dot_i8x16_i7x16_s of two zeros: valid only where relaxed SIMD is on. */
const RELAXED_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 43, 1, 41, 0,
  253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  253, 146, 2, 11,
]);

/** Node 20 has relaxed SIMD behind a flag; newer ones have it on and do not know the flag. */
function enableRelaxedSimd(): void {
  if (!WebAssembly.validate(RELAXED_PROBE)) setFlagsFromString('--experimental-wasm-relaxed-simd');
}
