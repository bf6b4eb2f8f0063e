/** Loads a model of any kind in a worker of its own: the page's own thread only sends what is asked and hands out what comes. */
import { InputError } from '../tensor/errors.ts';
import { checkOptionNames, describeValue } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { CancelSignal, PlatformUrl } from '../tensor/platform.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { filesByPath } from './blob-source.ts';
import { disposedError, startEngine } from './engine-host.ts';
import type { EngineHost } from './engine-host.ts';
import type { CacheChoice, HubOptions, ModelSource } from './open-source.ts';
import type { DisposableModel } from './model-shape.ts';
import type { BrowserDevice } from './open-executor.ts';

/** What every load takes. */
export interface PageLoadOptions {
  /** `auto` takes the GPU where there is one. The model's `runsOn` tells what it came to, and why. Default `auto`. */
  readonly device?: BrowserDevice | undefined;
  /** Compute threads of the CPU. Default: as many as the machine has; 1 on a page that is not cross-origin isolated. */
  readonly threads?: number | undefined;
  /** URL of the worker's program, where a bundler does not find `ingot/browser/worker` by itself. */
  readonly worker?: string | PlatformUrl | undefined;
  /**
   * URLs of `ingot/wasm/cpu.wasm` and `ingot/wasm/cpu-relaxed.wasm`, where a bundler does not find them by itself. A page may say where
   * they are whatever computes: only the CPU asks for them.
   */
  readonly kernels?:
    { readonly plain?: string | PlatformUrl | undefined; readonly relaxed?: string | PlatformUrl | undefined } | undefined;
  /** Default `keep`; where the browser gives the page no private file system, nothing is kept, which a note of `onProgress` says. */
  readonly cache?: CacheChoice | undefined;
  /** Default: https://huggingface.co, without a token. */
  readonly hub?: HubOptions | undefined;
  readonly signal?: CancelSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export const PAGE_LOAD_NAMES: NamesOf<PageLoadOptions> = {
  device: true,
  threads: true,
  worker: true,
  kernels: true,
  cache: true,
  hub: true,
  signal: true,
  onProgress: true,
};

const HUB_NAMES: NamesOf<HubOptions> = { endpoint: true, token: true };
const KERNEL_NAMES: NamesOf<NonNullable<PageLoadOptions['kernels']>> = { plain: true, relaxed: true };

/** How long an aborted load may take to end, in milliseconds: longer than a product of weights, or a piece of a download. */
const PATIENCE_MS = 3000;

/** @throws InputError for options that cannot be meant; the signal's reason */
export function checkLoadOptions<Options extends PageLoadOptions>(options: Options, names: NamesOf<Options>, call: string): void {
  checkOptionNames(options, names, call);
  checkOperation(options);
  const { hub, kernels, signal } = options;
  if (hub !== undefined) checkOptionNames(hub, HUB_NAMES, `hub of ${call}`);
  if (kernels !== undefined) checkOptionNames(kernels, KERNEL_NAMES, `kernels of ${call}`);
  signal?.throwIfAborted();
}

/** What is sent of a page's options: URLs as texts that a worker understands. */
export type Sent<Options extends PageLoadOptions> = Omit<Options, 'worker' | 'kernels'> & {
  readonly kernels: { readonly plain?: string; readonly relaxed?: string } | undefined;
  readonly baseUrl: string;
};

export interface PageLoad<Options extends PageLoadOptions> {
  readonly source: ModelSource;
  readonly options: Options;
}

/**
 * @param load asks the engine for the model, of the source and the options as they are sent
 * @returns the model, whose end is its worker's
 * @throws what `load` does; CapacityError where there can be no worker; the signal's reason when it aborts. Nothing is left running then
 */
export async function loadInWorker<Options extends PageLoadOptions, Model extends Owned>(
  { source, options }: PageLoad<Options>,
  load: (engine: EngineHost['engine'], source: ModelSource, sent: Sent<Options>) => Promise<Model>,
): Promise<Model & DisposableModel> {
  const { worker, kernels, ...rest } = options;
  const sent = { ...rest, kernels: hrefsOf(kernels), baseUrl: globalThis.document?.baseURI ?? location.href } as Sent<Options>;
  const { signal } = options;
  const host = startEngine(worker);
  // The worker frees what it took, and its threads, by itself; one that hears nothing is ended.
  let patience: ReturnType<typeof setTimeout> | undefined;
  const onAbort = () => (patience = setTimeout(() => host.end(signal?.reason as Error), PATIENCE_MS));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const model = await load(host.engine, filesByPath(source) as ModelSource, sent);
    signal?.throwIfAborted();
    return ending(model, host.end);
  } catch (error) {
    host.end(disposedError());
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    clearTimeout(patience);
  }
}

/** URLs as texts from the page's own, which a worker's are not. @throws InputError for what is none */
export function hrefsOf<Urls extends object>(urls: Urls | undefined): { readonly [Name in keyof Urls]: string } | undefined {
  if (urls === undefined) return undefined;
  const entries = Object.entries(urls).filter(([, url]) => url !== undefined);
  for (const [name, url] of entries)
    if (!URL.canParse(String(url), location.href)) throw new InputError(`${name} must be a URL, found ${describeValue(url)}.`);
  const hrefs = entries.map(([name, url]) => [name, new URL(String(url), location.href).href]);
  return Object.fromEntries(hrefs) as { readonly [Name in keyof Urls]: string };
}

interface Owned {
  dispose(): Promise<void>;
}

function ending<Model extends Owned>(model: Model, end: (error: Error) => void): Model & DisposableModel {
  const { dispose } = model;
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
  ) as Model & DisposableModel;
}
