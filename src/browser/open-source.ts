/** Finds what a page means by a model: an id of the hub, a URL, a Blob, files that were dropped, or a file or folder of a file system. */
import { inBlocks } from '../files/block-source.ts';
import type { HttpOptions } from '../files/http-options.ts';
import type { HubEndpoint } from '../files/hub/hub-access.ts';
import { hubPageOf, parseModelId, printModelId } from '../files/hub/model-id.ts';
import { decodeUrlName, hashOfFragment } from '../files/hub/url-hash.ts';
import { httpFolder } from '../files/http-source.ts';
import type { CheckpointLocation } from '../files/open-checkpoint.ts';
import type { ByteSource } from '../tensor/byte-source.ts';
import { InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import type { Platform } from '../tensor/platform.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { openCacheFolder } from './cache/cache-folder.ts';
import type { CacheFolder } from './cache/cache-folder.ts';
import { hubFetch, locateHubModel } from './cache/hub-model.ts';
import { modelLock } from './cache/model-records.ts';
import { locateUrlModel } from './cache/url-model.ts';
import { holdShared } from './cache/web-lock.ts';
import { locateFile, locateFiles } from './locate-files.ts';

/**
 * An id of the Hugging Face hub (`Qwen/Qwen3-0.6B-GGUF`, with `:Q8_0` or `@REVISION` after it, or a short name as `qwen3:0.6b`); the URL of
 * a file or of a folder, absolute or to the page's own; a Blob or File of a GGUF model; files that make one together, as they are dropped
 * or picked; a handle of a file or folder, as the private file system (OPFS) has them.
 */
export type ModelSource =
  | string
  | Platform<'Blob', { readonly size: number }>
  | readonly Platform<'File', { readonly name: string }>[]
  | Platform<'FileSystemHandle', { readonly kind: string }>;

/** One file, as a {@link ModelSource} is given. */
export type FileOfPage = string | Platform<'Blob', { readonly size: number }> | Platform<'FileSystemHandle', { readonly kind: string }>;

/** `keep`: what comes over the web stays in the private file system. `none`: it is read by ranges, and not kept. */
export type CacheChoice = 'keep' | 'none';

export interface HubOptions {
  readonly endpoint?: string | undefined;
  /** Sent to the endpoint's own host alone. */
  readonly token?: string | undefined;
}

export interface SourceOptions {
  /** Default `keep`; where the browser gives the page no private file system, nothing is kept, which a note of `onProgress` says. */
  readonly cache?: CacheChoice | undefined;
  /** Default: https://huggingface.co, without a token. */
  readonly hub?: HubOptions | undefined;
  /**
   * The file of a GGUF model's tower and projector (llama.cpp's mmproj): its URL, a Blob or File, or the handle of a file. Default: the
   * one beside the model, where there is one among the files, in the folder, or in the hub's repository.
   */
  readonly mmproj?: FileOfPage | undefined;
  /** What URLs are relative to: the page's. */
  readonly baseUrl: string;
}

export interface OpenSourceOptions extends HttpOptions, SourceOptions {
  readonly onProgress?: OnProgress | undefined;
}

export interface OpenedSource {
  readonly location: CheckpointLocation;
  /** The model may be taken out of the cache from now on. */
  release(): void;
}

/**
 * @throws InputError for what is no model's place, or holds several; CapacityError where there is no room for it; as the hub and the web
 * refuse
 */
export async function openSource(source: ModelSource, options: OpenSourceOptions): Promise<OpenedSource> {
  const { mmproj, cache } = options;
  checkCache(cache);
  const isOfWeb = typeof source === 'string' || typeof mmproj === 'string';
  const folder = isOfWeb && cache !== 'none' ? await openKept(options) : undefined;
  const web: WebOptions = { ...options, hub: endpointOf(options.hub), folder };
  const model = typeof source === 'string' ? await openText(source, web) : { location: await locateFiles(source), release() {} };
  if (mmproj === undefined) return model;
  try {
    const { location, release } = await openProjector(mmproj, web);
    return {
      location: { ...model.location, projector: { ...location, isNamed: true } },
      release() {
        release();
        model.release();
      },
    };
  } catch (error) {
    model.release();
    throw error;
  }
}

interface OpenedProjector extends OpenedSource {
  readonly location: CheckpointLocation & { readonly fileName: string };
}

async function openProjector(mmproj: FileOfPage, options: WebOptions): Promise<OpenedProjector> {
  const file = await locateFile(mmproj);
  if (file !== undefined) return { location: file, release() {} };
  const url = typeof mmproj === 'string' && URL.canParse(mmproj, options.baseUrl) ? new URL(mmproj, options.baseUrl) : undefined;
  if (url === undefined || !/\.gguf$/i.test(url.pathname))
    throw new InputError(
      `mmproj must be the URL of a .gguf file, a Blob or File, or the handle of a file, found ${describeValue(mmproj)}.`,
    );
  return (await openUrl(url.href, options)) as OpenedProjector;
}

interface WebOptions extends Omit<OpenSourceOptions, 'hub'> {
  readonly hub: HubEndpoint;
  /** Undefined: nothing is kept. */
  readonly folder: CacheFolder | undefined;
}

/** An id of the hub, or the URL of one's page there; else a URL. */
async function openText(text: string, options: WebOptions): Promise<OpenedSource> {
  const id = hubPageOf(text) ?? parseModelId(text);
  if (id === undefined) return openUrl(text, options);
  const release = options.folder === undefined ? () => {} : await holdShared(modelLock(printModelId(id)));
  try {
    return { location: await locateHubModel(id, options), release };
  } catch (error) {
    release();
    throw error;
  }
}

function checkCache(cache: unknown): void {
  if (cache !== undefined && cache !== 'keep' && cache !== 'none')
    throw new InputError(`cache must be "keep" or "none", found ${describeValue(cache)}.`);
}

async function openKept({ onProgress }: OpenSourceOptions): Promise<CacheFolder | undefined> {
  const folder = await openCacheFolder();
  if (!('problem' in folder)) return folder;
  onProgress?.({ phase: 'download', loaded: 0, total: 0, note: `The model is not kept: ${folder.problem}` });
  return undefined;
}

function endpointOf({ endpoint = 'https://huggingface.co', token }: HubOptions = {}): HubEndpoint {
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
    throw new InputError(`hub.endpoint must be an http or https URL, found ${describeValue(endpoint)}.`);
  return { endpoint: endpoint.replace(/\/+$/, ''), token };
}

/** A browser does not say why it gives a page nothing. */
const ADVICE =
  'Check the URL and the network. Of another origin than the page\'s, also where a redirect leads there, a browser gives a page only ' +
  'what that sends with Access-Control-Allow-Origin (CORS).';

/**
 * A URL whose last part ends as a model file does names a file, any other a folder. `#sha256=` says which bytes it has to have. The hub's
 * own files are asked for with its token.
 */
async function openUrl(
  text: string,
  { folder, baseUrl, hub, cache: _cache, mmproj: _mmproj, ...options }: WebOptions,
): Promise<OpenedSource> {
  if (!URL.canParse(text, baseUrl)) throw new InputError(`${JSON.stringify(text)} is neither a URL nor an id of the hub.`);
  const url = new URL(text, baseUrl);
  const hash = url.hash;
  url.hash = '';
  const id = url.href;
  const last = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  const fileName = /\.(gguf|safetensors|json|bin|nemo|pth)$/i.test(last) ? decodeUrlName(last) : undefined;
  const sha256 = hashOfFragment(hash, fileName);
  if (fileName !== undefined) url.pathname = url.pathname.slice(0, -last.length);
  const http = { advice: ADVICE, ...options };
  if (folder === undefined) {
    const web = hubFetch(hub);
    const fetch: HttpOptions['fetch'] = options.fetch ?? ((asked, init) => web(asked as URL, init));
    const files = httpFolder(url, { ...http, fetch });
    return { location: { folder: { ...files, open: async (...args) => blocksOf(await files.open(...args)) }, fileName }, release() {} };
  }
  const release = await holdShared(modelLock(id));
  return { location: locateUrlModel({ id, base: url, fileName }, { ...http, hub, folder, sha256 }), release };
}

function blocksOf(source: ByteSource | undefined): ByteSource | undefined {
  return source && inBlocks(source);
}
