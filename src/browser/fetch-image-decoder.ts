/** The decoder of image files, its modules over HTTP. */
import { createImageDecoder } from '../image/image-decoder.ts';
import type { ImageDecoder } from '../image/image-decoder.ts';
import type { CancelSignal, PlatformUrl } from '../tensor/platform.ts';
import { fetchModule } from './fetch-module.ts';

export interface ImageDecoderUrls {
  /** Of `@cf-wasm/photon/photon.wasm`: for PNG, JPEG and GIF. Fetched when the first of them is decoded. */
  readonly raster: string | PlatformUrl;
  /** Of `@cwasm/webp/webp.wasm`. */
  readonly webp: string | PlatformUrl;
  readonly signal?: CancelSignal | undefined;
}

/** @throws CapacityError from its `decode`, where a URL does not give a WebAssembly module */
export function fetchImageDecoder({ raster, webp, signal }: ImageDecoderUrls): ImageDecoder {
  const remedy = 'Serve the file of that package, and pass its URL.';
  const fetched = (url: string | PlatformUrl, kind: string) => () =>
    fetchModule(url, { need: `${kind} images need a decoder`, remedy, signal });
  return createImageDecoder({ raster: fetched(raster, 'PNG, JPEG and GIF'), webp: fetched(webp, 'WebP') });
}
