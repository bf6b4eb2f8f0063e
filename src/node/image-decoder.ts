/** The decoder of image files, with its modules from the packages beside this one. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createImageDecoder } from '../image/image-decoder.ts';
import type { ImageDecoder } from '../image/image-decoder.ts';
import { CapacityError } from '../tensor/errors.ts';

const require = createRequire(import.meta.url);

/** @throws CapacityError from its `decode`, where the packages are not installed */
export function openImageDecoder(): ImageDecoder {
  const read = async (path: string) => {
    try {
      return new Uint8Array(await readFile(require.resolve(path)));
    } catch (cause) {
      throw new CapacityError(`Images need ${path}, which is not there: the installation is damaged. Install it again.`, { cause });
    }
  };
  return createImageDecoder({ raster: () => read('@cf-wasm/photon/photon.wasm'), webp: () => read('@cwasm/webp/webp.wasm') });
}
