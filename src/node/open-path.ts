import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FormatError, InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import type { HttpOptions } from '../files/http-options.ts';
import { ggufModels } from '../files/hub/choose-files.ts';
import { hubPageOf } from '../files/hub/model-id.ts';
import type { ModelId } from '../files/hub/model-id.ts';
import { decodeUrlName, hashOfFragment } from '../files/hub/url-hash.ts';
import type { CheckpointLocation } from '../files/open-checkpoint.ts';
import { projectorBeside } from '../files/projector-beside.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { directorySource, pathError } from './file-source.ts';
import { hubIdOf } from './hub/hub-id.ts';

export interface LocateOptions extends HttpOptions {
  /** Of a model of the hub, or of a URL, that is downloaded first. */
  readonly onProgress?: OnProgress | undefined;
  /** The file of a GGUF model's tower. Default: the one beside the model, where there is one. */
  readonly mmproj?: string | undefined;
  /**
   * What of a URL's model will be read: `headers` leaves it where it is and reads by ranges, unless it is in the cache. Default `all`: it
   * is downloaded into the cache.
   */
  readonly reads?: 'all' | 'headers' | undefined;
}

/**
 * Finds what a user means by a path, a URL or an id of the Hugging Face hub: a model file, a folder with config.json and safetensors, or a
 * folder that holds one GGUF model. The answer is what `openCheckpoint` takes. A model of the hub (`OWNER/NAME`, `OWNER/NAME:Q4_K_M`, a
 * short name as `qwen3:4b`) that is not in the cache is downloaded first; a file of a URL when it is opened, checked against the `#sha256=`
 * of the URL where there is one, and asked for again by its ETag.
 * @throws InputError for a path that is missing, unreadable or ambiguous, and as the hub refuses; CapacityError where
 * the disk is too small.
 */
export async function locate(pathOrUrl: string, options?: LocateOptions): Promise<CheckpointLocation> {
  if (typeof pathOrUrl !== 'string') {
    const found = (pathOrUrl as unknown) instanceof URL ? 'a URL object: pass its href' : describeValue(pathOrUrl);
    throw new InputError(`Expected the path or URL of a model as a string, found ${found}.`);
  }
  if (pathOrUrl === '') throw new InputError('Expected the path or URL of a model, found an empty text.');
  const page = hubPageOf(pathOrUrl);
  if (page === undefined && /^https?:\/\//i.test(pathOrUrl)) return withProjector(await locateUrl(pathOrUrl, options), options);
  const id = page ?? hubIdOf(pathOrUrl);
  return withProjector(await locatePath(id === undefined ? pathOrUrl : await pathOfHub(id, options)), options);
}

/** With the projector that is named, or lies beside a GGUF file. */
async function withProjector(location: CheckpointLocation, options?: LocateOptions): Promise<CheckpointLocation> {
  const { folder, fileName } = location;
  const mmproj = options?.mmproj;
  if (mmproj !== undefined) {
    const isUrl = /^https?:\/\//i.test(mmproj);
    const { folder: own, fileName: name } = await (isUrl ? locateUrl(mmproj, options) : locatePath(mmproj));
    if (name === undefined || !/\.gguf$/i.test(name)) throw new InputError(`mmproj must be a .gguf file, found ${JSON.stringify(mmproj)}.`);
    return { ...location, projector: { folder: own, fileName: name, isNamed: true } };
  }
  const found = projectorBeside(await readdir(folder.name).catch(() => []), fileName);
  return found === undefined ? location : { ...location, projector: { folder, fileName: found, isNamed: false } };
}

/** What asks the hub is loaded where it is needed. */
async function pathOfHub(id: ModelId, { signal, onRetry, onProgress, wait }: LocateOptions = {}): Promise<string> {
  const { modelOfHub } = await import('./hub/pull.ts');
  return modelOfHub(id, { signal, onRetry, onProgress, wait });
}

async function locatePath(pathOrUrl: string): Promise<CheckpointLocation> {
  const path = resolve(/^file:\/\//i.test(pathOrUrl) ? fileUrlPath(pathOrUrl) : pathOrUrl);
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw pathError(pathOrUrl, error);
  });
  if (found.isDirectory()) return locateInDirectory(path);
  return { folder: directorySource(dirname(path)), fileName: basename(path) };
}

function fileUrlPath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new InputError(`${url} is not the URL of a file on this machine: ${(error as Error).message}.`, { cause: error });
  }
}

/** A URL whose last part ends as a model file does names a file, any other a folder. */
async function locateUrl(text: string, { reads = 'all', ...options }: LocateOptions = {}): Promise<CheckpointLocation> {
  if (!URL.canParse(text)) throw new InputError(`${JSON.stringify(text)} is not a valid URL.`);
  const url = new URL(text);
  const last = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  const fileName = /\.(gguf|safetensors|json|bin|nemo)$/i.test(last) ? decodeUrlName(last) : undefined;
  if (fileName !== undefined) url.pathname = url.pathname.slice(0, -last.length);
  const sha256 = hashOfFragment(url.hash, fileName);
  const { urlFolder } = await import('./hub/url-folder.ts');
  return { folder: await urlFolder(url, { ...options, reads, sha256 }), fileName };
}

/** Safetensors win over GGUF files beside them; several GGUF models are for the user to choose from. */
async function locateInDirectory(path: string): Promise<CheckpointLocation> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    throw pathError(path, error);
  });
  const folder = directorySource(path);
  const hasWeights = names.includes('model.safetensors') || names.includes('model.safetensors.index.json');
  const models = ggufModels(names.map((name) => ({ name, sizeBytes: 0 }))).map(({ files }) => files[0]!.name);
  const nemo = names.find((name) => /\.nemo$/i.test(name));
  if (hasWeights || (models.length === 0 && names.includes('config.json'))) return { folder };
  if (models.length === 1) return { folder, fileName: models[0] };
  if (models.length === 0 && nemo !== undefined) return { folder, fileName: nemo };
  if (models.length === 0) {
    throw new FormatError(
      `${path} holds no model: expected config.json with model.safetensors, or one .gguf file. Name the model's file or folder.`,
    );
  }
  const shown = models.slice(0, 10).join(', ') + (models.length > 10 ? ', ...' : '');
  throw new InputError(`${path} holds ${models.length} GGUF models (${shown}). Name the file that you mean.`);
}
