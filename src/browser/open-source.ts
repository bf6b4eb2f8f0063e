/** Finds what a page means by a model: an id of the hub, a URL, a Blob, files that were dropped, or a file or folder of a file system. */
import type { HttpOptions } from '../files/http-options.ts';
import type { HubEndpoint } from '../files/hub/hub-access.ts';
import { hubPageOf, parseModelId, printModelId } from '../files/hub/model-id.ts';
import { decodeUrlName, hashOfFragment } from '../files/hub/url-hash.ts';
import { httpFolder } from '../files/http-source.ts';
import type { CheckpointLocation } from '../files/open-checkpoint.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import type { Platform } from '../tensor/platform.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { blobSource, filesFolder, handleFolder, pathOf } from './blob-source.ts';
import { openCacheFolder } from './cache/cache-folder.ts';
import type { CacheFolder } from './cache/cache-folder.ts';
import { locateHubModel } from './cache/hub-model.ts';
import { modelLock } from './cache/model-records.ts';
import { locateUrlModel } from './cache/url-model.ts';
import { holdShared } from './cache/web-lock.ts';

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

/** `keep`: what comes over the web stays in the private file system. `none`: it is read by ranges, and not kept. */
export type CacheChoice = 'keep' | 'none';

export interface SourceOptions {
  /** Default `keep`; where the browser gives the page no private file system, nothing is kept, which a note of `onProgress` says. */
  readonly cache?: CacheChoice | undefined;
  /** Default: https://huggingface.co, without a token. */
  readonly hub?: { readonly endpoint?: string | undefined; readonly token?: string | undefined } | undefined;
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
  if (typeof source === 'string') return openText(source, options);
  return { location: await openLocal(source), release() {} };
}

async function openLocal(source: Exclude<ModelSource, string>): Promise<CheckpointLocation> {
  if (source instanceof Blob) return openBlob(source);
  if (Array.isArray(source) && source.length > 0 && source.every((file) => file instanceof File))
    return openFiles(source as readonly File[]);
  if (isHandle(source)) return openHandle(source);
  throw new InputError(
    `Expected a model's URL, its id on the hub, a Blob, a list of files, or a handle of a file or folder; found ${describeValue(source)}.`,
  );
}

function isHandle(source: unknown): source is FileSystemFileHandle | FileSystemDirectoryHandle {
  return typeof source === 'object' && source !== null && 'kind' in source && (source.kind === 'file' || source.kind === 'directory');
}

/** What is in it its first bytes say. */
function openBlob(blob: Blob): CheckpointLocation {
  const fileName = blob instanceof File ? blob.name : 'model';
  const folder = { name: fileName, open: async (name: string) => (name === fileName ? blobSource(blob, fileName) : undefined) };
  return { folder, fileName };
}

function openFiles(files: readonly File[]): CheckpointLocation {
  if (files.length === 1) return openBlob(files[0]!);
  const name = `${files.length} files`;
  return { folder: filesFolder(files, name), fileName: modelIn(files.map(pathOf), name) };
}

async function openHandle(handle: FileSystemFileHandle | FileSystemDirectoryHandle): Promise<CheckpointLocation> {
  if (handle.kind === 'file') return openBlob(await handle.getFile());
  const names: string[] = [];
  for await (const name of (handle as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
  return { folder: handleFolder(handle), fileName: modelIn(names, handle.name || 'the folder') };
}

/** An id of the hub, or the URL of one's page there; else a URL. */
async function openText(text: string, options: OpenSourceOptions): Promise<OpenedSource> {
  checkCache(options.cache);
  const folder = options.cache === 'none' ? undefined : await openKept(options);
  const id = hubPageOf(text) ?? parseModelId(text);
  if (id === undefined) return openUrl(text, { ...options, folder });
  const release = folder === undefined ? () => {} : await holdShared(modelLock(printModelId(id)));
  try {
    return { location: await locateHubModel(id, { ...options, hub: endpointOf(options.hub), folder }), release };
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

function endpointOf({ endpoint = 'https://huggingface.co', token }: NonNullable<SourceOptions['hub']> = {}): HubEndpoint {
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol))
    throw new InputError(`hub.endpoint must be an http or https URL, found ${describeValue(endpoint)}.`);
  return { endpoint: endpoint.replace(/\/+$/, ''), token };
}

/** A URL whose last part ends as a model file does names a file, any other a folder. `#sha256=` says which bytes it has to have. */
async function openUrl(
  text: string,
  { folder, baseUrl, hub: _hub, cache: _cache, ...options }: OpenSourceOptions & { readonly folder: CacheFolder | undefined },
): Promise<OpenedSource> {
  if (!URL.canParse(text, baseUrl)) throw new InputError(`${JSON.stringify(text)} is neither a URL nor an id of the hub.`);
  const url = new URL(text, baseUrl);
  const hash = url.hash;
  url.hash = '';
  const id = url.href;
  const last = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  const fileName = /\.(gguf|safetensors|json|bin)$/i.test(last) ? decodeUrlName(last) : undefined;
  const sha256 = hashOfFragment(hash, fileName);
  if (fileName !== undefined) url.pathname = url.pathname.slice(0, -last.length);
  if (folder === undefined) return { location: { folder: httpFolder(url, options), fileName }, release() {} };
  const release = await holdShared(modelLock(id));
  return { location: locateUrlModel({ id, base: url, fileName }, { ...options, folder, sha256 }), release };
}

/** The one that is meant among files: undefined for a folder of safetensors. */
function modelIn(names: readonly string[], where: string): string | undefined {
  if (names.includes('model.safetensors') || names.includes('model.safetensors.index.json')) return undefined;
  const models = names.filter((name) => /\.gguf$/i.test(name));
  if (models.length === 1) return models[0];
  if (models.length === 0)
    throw new FormatError(`${where}: there is no model: expected config.json with model.safetensors, or one .gguf file.`);
  throw new InputError(
    `${where}: there are ${models.length} GGUF models (${models.slice(0, 10).join(', ')}). Give the one that you mean.`,
  );
}
