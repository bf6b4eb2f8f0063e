/** Loads a model in a worker: the page's own thread only sends what is asked and hands out what comes. */
import { checkOptionNames, describeValue } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import { checkOperation } from '../tensor/progress.ts';
import { InputError } from '../tensor/errors.ts';
import type { PlatformUrl } from '../tensor/platform.ts';
import { disposedError, startEngine } from './engine-host.ts';
import type { BrowserModel } from './model-shape.ts';
import type { HubOptions, ModelSource } from './open-source.ts';
import type { BrowserDevice } from './open-executor.ts';
import type { EngineLoadOptions } from './engine-shape.ts';

export interface BrowserLoadOptions extends Omit<EngineLoadOptions, 'kernels' | 'imageDecoders' | 'baseUrl'> {
  /** `auto` takes the GPU where there is one. {@link BrowserModel.runsOn} tells what it came to, and why. Default `auto`. */
  readonly device?: BrowserDevice | undefined;
  /** Compute threads of the CPU. Default: as many as the machine has; 1 on a page that is not cross-origin isolated. */
  readonly threads?: number | undefined;
  /** URL of the worker's program, where a bundler does not find `ingot/browser/worker` by itself. */
  readonly worker?: string | PlatformUrl | undefined;
  /** URLs of `ingot/wasm/cpu.wasm` and `ingot/wasm/cpu-relaxed.wasm`, where a bundler does not find them by itself. */
  readonly kernels?:
    { readonly plain?: string | PlatformUrl | undefined; readonly relaxed?: string | PlatformUrl | undefined } | undefined;
  /** URLs of the decoders of image files, for a model that sees: `@cf-wasm/photon/photon.wasm` and `@cwasm/webp/webp.wasm`. */
  readonly imageDecoders?: { readonly raster: string | PlatformUrl; readonly webp: string | PlatformUrl } | undefined;
}

const LOAD_NAMES: NamesOf<BrowserLoadOptions> = {
  device: true,
  threads: true,
  worker: true,
  cache: true,
  hub: true,
  mmproj: true,
  kernels: true,
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
  signal: true,
  onProgress: true,
};

const HUB_NAMES: NamesOf<HubOptions> = { endpoint: true, token: true };
const KERNEL_NAMES: NamesOf<NonNullable<BrowserLoadOptions['kernels']>> = { plain: true, relaxed: true };
const DECODER_NAMES: NamesOf<NonNullable<BrowserLoadOptions['imageDecoders']>> = { raster: true, webp: true };

/** How long an aborted load may take to end, in milliseconds: longer than a product of weights, or a piece of a download. */
const PATIENCE_MS = 3000;

/**
 * Loads a model, as `loadModel` of Node does, in a worker of its own. Call its `dispose()` when done: the worker ends then, and all its
 * memory is free.
 * @throws InputError for a source or an option that cannot be meant; FormatError for a damaged or unsupported model; CapacityError where
 * it, or the device, cannot be had here; the signal's reason when it aborts. Nothing stays open or running then.
 */
export async function loadModel(source: ModelSource, options: BrowserLoadOptions = {}): Promise<BrowserModel> {
  checkOptionNames(options, LOAD_NAMES, 'loadModel');
  checkOperation(options);
  const { worker, kernels, imageDecoders, ...rest } = options;
  if (rest.hub !== undefined) checkOptionNames(rest.hub, HUB_NAMES, 'hub of loadModel');
  if (kernels !== undefined) checkOptionNames(kernels, KERNEL_NAMES, 'kernels of loadModel');
  if (imageDecoders !== undefined) checkOptionNames(imageDecoders, DECODER_NAMES, 'imageDecoders of loadModel');
  rest.signal?.throwIfAborted();
  const host = startEngine(worker);
  // The worker frees what it took, and its threads, by itself; one that hears nothing is ended.
  let patience: ReturnType<typeof setTimeout> | undefined;
  const onAbort = () => (patience = setTimeout(() => host.end(rest.signal?.reason as Error), PATIENCE_MS));
  rest.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const urls = { kernels: hrefsOf(kernels), imageDecoders: hrefsOf(imageDecoders) };
    const model = await host.engine.loadModel(source, { ...rest, ...urls, baseUrl: globalThis.document?.baseURI ?? location.href });
    rest.signal?.throwIfAborted();
    return ending(model, host.end);
  } catch (error) {
    host.end(disposedError());
    throw error;
  } finally {
    rest.signal?.removeEventListener('abort', onAbort);
    clearTimeout(patience);
  }
}

/** URLs as texts from the page's own, which a worker's are not. */
function hrefsOf<Urls extends object>(urls: Urls | undefined): Urls | undefined {
  if (urls === undefined) return undefined;
  const entries = Object.entries(urls).filter(([, url]) => url !== undefined);
  for (const [name, url] of entries)
    if (!URL.canParse(String(url), location.href)) throw new InputError(`${name} must be a URL, found ${describeValue(url)}.`);
  return Object.fromEntries(entries.map(([name, url]) => [name, new URL(String(url), location.href).href])) as Urls;
}

/** The model, whose end is its worker's. */
function ending(model: object, end: (error: Error) => void): BrowserModel {
  const { dispose } = model as BrowserModel;
  let ended: Promise<void> | undefined;
  const endAll = () =>
    (ended ??= dispose()
      .catch(() => {})
      .then(() => end(disposedError())));
  return Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(model),
      dispose: { value: endAll, enumerable: true },
      [Symbol.asyncDispose]: { value: endAll },
    },
  ) as BrowserModel;
}
