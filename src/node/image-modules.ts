/** The modules of the decoder of image files, from the packages beside this one, and what its thread is told and tells. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Image } from '../image/image.ts';
import type { DecoderModules } from '../image/image-decoder.ts';
import { CapacityError } from '../tensor/errors.ts';

export interface DecodeMessage {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly maxPixels: number;
}

export type DecodedMessage =
  | { readonly image: Image }
  | { readonly kind: 'format' | 'capacity' | 'other'; readonly message: string };

const require = createRequire(import.meta.url);

async function read(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(require.resolve(path)));
  } catch (cause) {
    throw new CapacityError(`Images need ${path}, which is not there: the installation is damaged. Install it again.`, { cause });
  }
}

/** Each reads a file. @throws CapacityError where the packages are not installed */
export const DECODER_MODULES: DecoderModules = {
  raster: () => read('@cf-wasm/photon/photon.wasm'), webp: () => read('@cwasm/webp/webp.wasm'),
};
