/** Finds what a page means by a model: an id of the hub, a URL, a Blob, files that were dropped, or a file or folder of a file system. */
import type { HttpOptions } from '../files/http-options.ts';
import { httpFolder } from '../files/http-source.ts';
import type { CheckpointLocation } from '../files/open-checkpoint.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import type { Platform } from '../tensor/platform.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { blobSource, filesFolder, handleFolder, pathOf } from './blob-source.ts';

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

export interface OpenSourceOptions extends HttpOptions {
  readonly onProgress?: OnProgress | undefined;
}

/** @throws InputError for what is no model's place, or holds several */
export async function openSource(source: ModelSource, options: OpenSourceOptions): Promise<CheckpointLocation> {
  if (typeof source === 'string') return openUrl(source, options);
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

/** A URL whose last part ends as a model file does names a file, any other a folder. */
function openUrl(text: string, options: OpenSourceOptions): CheckpointLocation {
  if (!URL.canParse(text, location.href)) throw new InputError(`${JSON.stringify(text)} is neither a URL nor an id of the hub.`);
  const url = new URL(text, location.href);
  const last = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  const fileName = /\.(gguf|safetensors|json|bin)$/i.test(last) ? decodeURIComponent(last) : undefined;
  if (fileName !== undefined) url.pathname = url.pathname.slice(0, -last.length);
  return { folder: httpFolder(url, options), fileName };
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
