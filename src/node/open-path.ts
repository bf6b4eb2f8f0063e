import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FormatError, InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import { parseSplitName } from '../files/gguf-reader.ts';
import { httpFolder } from '../files/http-source.ts';
import type { HttpOptions } from '../files/http-options.ts';
import type { CheckpointLocation } from '../files/open-checkpoint.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { directorySource, pathError } from './file-source.ts';
import { hubIdOf } from './hub/hub-id.ts';
import type { ModelId } from './hub/model-id.ts';

export interface LocateOptions extends HttpOptions {
  /** Of a model of the hub that is downloaded first. */
  readonly onProgress?: OnProgress | undefined;
  /** The file of a GGUF model's tower. Default: the one beside the model, where there is one. */
  readonly mmproj?: string | undefined;
}

/**
 * Finds what a user means by a path, a URL or an id of the Hugging Face hub: a model file, a folder with config.json and safetensors, or a
 * folder that holds one GGUF model. The answer is what `openCheckpoint` takes. A model of the hub (`OWNER/NAME`, `OWNER/NAME:Q4_K_M`, a
 * short name as `qwen3:4b`) that is not in the cache is downloaded first.
 * @throws InputError for a path that is missing, unreadable or ambiguous, and as the hub refuses; CapacityError where
 * the disk is too small.
 */
export async function locate(pathOrUrl: string, options?: LocateOptions): Promise<CheckpointLocation> {
  if (typeof pathOrUrl !== 'string') {
    const found = (pathOrUrl as unknown) instanceof URL ? 'a URL object: pass its href' : describeValue(pathOrUrl);
    throw new InputError(`Expected the path or URL of a model as a string, found ${found}.`);
  }
  if (pathOrUrl === '') throw new InputError('Expected the path or URL of a model, found an empty text.');
  if (/^https?:\/\//i.test(pathOrUrl)) return withProjector(locateUrl(pathOrUrl, options), options);
  const id = hubIdOf(pathOrUrl);
  return withProjector(await locatePath(id === undefined ? pathOrUrl : await pathOfHub(id, options)), options);
}

/** With the projector that is named, or lies beside a GGUF file: of several, of f16 before others. */
async function withProjector(location: CheckpointLocation, options?: LocateOptions): Promise<CheckpointLocation> {
  const { folder, fileName } = location;
  const mmproj = options?.mmproj;
  if (mmproj !== undefined) {
    const { folder: own, fileName: name } = /^https?:\/\//i.test(mmproj) ? locateUrl(mmproj, options) : await locatePath(mmproj);
    if (name === undefined || !/\.gguf$/i.test(name)) throw new InputError(`mmproj must be a .gguf file, found ${JSON.stringify(mmproj)}.`);
    return { ...location, projector: { folder: own, fileName: name, isNamed: true } };
  }
  if (fileName === undefined || !/\.gguf$/i.test(fileName) || isProjector(fileName)) return location;
  const beside = (await readdir(folder.name).catch(() => [])).filter((name) => /\.gguf$/i.test(name) && isProjector(name)).toSorted();
  const own = beside.filter((name) => name.toLowerCase() === `mmproj-${fileName.toLowerCase()}`);
  const found = [...own, ...beside.filter((name) => /(?<!b)f16/i.test(name)), ...beside][0];
  return found === undefined ? location : { ...location, projector: { folder, fileName: found, isNamed: false } };
}

/** Whether a GGUF file is of a tower, by its name. */
function isProjector(name: string): boolean {
  return /(^|[-._])mmproj/i.test(name);
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
function locateUrl(text: string, options: HttpOptions | undefined): CheckpointLocation {
  if (!URL.canParse(text)) throw new InputError(`${JSON.stringify(text)} is not a valid URL.`);
  const url = new URL(text);
  const last = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  if (!/\.(gguf|safetensors|json|bin|nemo)$/i.test(last)) return { folder: httpFolder(url, options) };
  url.pathname = url.pathname.slice(0, -last.length);
  return { folder: httpFolder(url, options), fileName: decodeName(last) };
}

function decodeName(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    throw new InputError(`The URL's last part ${JSON.stringify(segment)} is not validly encoded.`, { cause: error });
  }
}

/** Safetensors win over GGUF files beside them; several GGUF models are for the user to choose from. */
async function locateInDirectory(path: string): Promise<CheckpointLocation> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    throw pathError(path, error);
  });
  const folder = directorySource(path);
  const hasWeights = names.includes('model.safetensors') || names.includes('model.safetensors.index.json');
  const models = ggufModels(names);
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

/** The GGUF files of a directory, a split model by its lowest part. */
function ggufModels(names: readonly string[]): string[] {
  const models = new Map<string, string>();
  for (const name of names.filter((each) => /\.gguf$/i.test(each) && !isProjector(each)).toSorted()) {
    const split = parseSplitName(name);
    const model = split ? `${split.prefix}/${split.count}` : name;
    if (!models.has(model)) models.set(model, name);
  }
  return [...models.values()];
}
