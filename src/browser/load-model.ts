/** Models of text in a worker. */
import { checkOptionNames } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { PlatformUrl } from '../tensor/platform.ts';
import type { EngineLoadOptions } from './engine-shape.ts';
import { checkLoadOptions, hrefsOf, loadInWorker, PAGE_LOAD_NAMES } from './load-in-worker.ts';
import type { PageLoadOptions } from './load-in-worker.ts';
import type { BrowserModel } from './model-shape.ts';
import type { ModelSource } from './open-source.ts';

export interface BrowserLoadOptions
  extends PageLoadOptions, Omit<EngineLoadOptions, keyof PageLoadOptions | 'imageDecoders' | 'baseUrl'> {
  /** URLs of the decoders of image files, for a model that sees: `@cf-wasm/photon/photon.wasm` and `@cwasm/webp/webp.wasm`. */
  readonly imageDecoders?: { readonly raster: string | PlatformUrl; readonly webp: string | PlatformUrl } | undefined;
}

const LOAD_NAMES: NamesOf<BrowserLoadOptions> = {
  ...PAGE_LOAD_NAMES,
  mmproj: true,
  imageDecoders: true,
  contextLength: true,
  kvType: true,
  snapshotBytes: true,
  memoryBudget: true,
  perLayerTable: true,
  quantize: true,
  mostPatches: true,
  images: true,
  maxConcurrent: true,
  queueLimit: true,
  queueTimeoutMs: true,
  onHint: true,
};

const DECODER_NAMES: NamesOf<NonNullable<BrowserLoadOptions['imageDecoders']>> = { raster: true, webp: true };

/**
 * Loads a model, as `loadModel` of Node does, in a worker of its own. Call its `dispose()` when done: the worker ends then, and all its
 * memory is free.
 * @throws InputError for a source or an option that cannot be meant; FormatError for a damaged or unsupported model; CapacityError where
 * it, or the device, cannot be had here; the signal's reason when it aborts. Nothing stays open or running then.
 */
export async function loadModel(source: ModelSource, options: BrowserLoadOptions = {}): Promise<BrowserModel> {
  checkLoadOptions(options, LOAD_NAMES, 'loadModel');
  if (options.imageDecoders !== undefined) checkOptionNames(options.imageDecoders, DECODER_NAMES, 'imageDecoders of loadModel');
  const imageDecoders = hrefsOf(options.imageDecoders);
  return loadInWorker({ source, options }, (engine, from, sent) => engine.loadModel(from, { ...sent, imageDecoders }));
}
