/** Models of files that a page has itself: a Blob, files that were dropped or picked, or a handle of a file or folder. */
import { ggufModels } from '../files/hub/choose-files.ts';
import type { CheckpointLocation } from '../files/open-checkpoint.ts';
import { projectorBeside } from '../files/projector-beside.ts';
import type { SourceFolder } from '../tensor/byte-source.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { describeValue } from '../tensor/option-names.ts';
import { blobSource, filesFolder, handleFolder, pathOf } from './blob-source.ts';

/** @throws InputError for what is none of them, or holds several models; FormatError for files that are no model */
export async function locateFiles(source: unknown): Promise<CheckpointLocation> {
  const file = await locateFile(source);
  if (file !== undefined) return file;
  if (Array.isArray(source) && source.length > 0 && source.every((each) => each instanceof File))
    return locateList(source as readonly File[]);
  if (isHandle(source)) return locateFolder(source as FileSystemDirectoryHandle);
  throw new InputError(
    `Expected a model's URL, its id on the hub, a Blob, a list of files, or a handle of a file or folder; found ${describeValue(source)}.`,
  );
}

/** One file: a Blob, or the handle of one; undefined for anything else. What is in it its first bytes say. */
export async function locateFile(source: unknown): Promise<(CheckpointLocation & { readonly fileName: string }) | undefined> {
  const blob = isHandle(source) && source.kind === 'file' ? await source.getFile() : source;
  if (!(blob instanceof Blob)) return undefined;
  const fileName = blob instanceof File ? blob.name : 'model';
  const folder = { name: fileName, open: async (name: string) => (name === fileName ? blobSource(blob, fileName) : undefined) };
  return { folder, fileName };
}

function isHandle(source: unknown): source is FileSystemFileHandle | FileSystemDirectoryHandle {
  return typeof source === 'object' && source !== null && 'kind' in source && (source.kind === 'file' || source.kind === 'directory');
}

async function locateList(files: readonly File[]): Promise<CheckpointLocation> {
  if (files.length === 1) return (await locateFile(files[0]))!;
  const name = `${files.length} files`;
  return locateAmong(files.map(pathOf), filesFolder(files, name));
}

async function locateFolder(handle: FileSystemDirectoryHandle): Promise<CheckpointLocation> {
  const names: string[] = [];
  for await (const name of (handle as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
  return locateAmong(names, handleFolder(handle));
}

function locateAmong(names: readonly string[], folder: SourceFolder): CheckpointLocation {
  const fileName = modelIn(names, folder.name);
  const projector = projectorBeside(names, fileName);
  return { folder, fileName, projector: projector === undefined ? undefined : { folder, fileName: projector, isNamed: false } };
}

/** The one that is meant among files, of a split one its first part: undefined for a folder of safetensors. */
function modelIn(names: readonly string[], where: string): string | undefined {
  if (names.includes('model.safetensors') || names.includes('model.safetensors.index.json')) return undefined;
  const models = ggufModels(names.map((name) => ({ name, sizeBytes: 0 }))).map(({ files }) => files[0]!.name);
  if (models.length === 1) return models[0];
  if (models.length === 0 && names.includes('config.json')) return undefined;
  if (models.length === 0)
    throw new FormatError(`${where}: there is no model: expected config.json with model.safetensors, or one .gguf file.`);
  throw new InputError(
    `${where}: there are ${models.length} GGUF models (${models.slice(0, 10).join(', ')}). Give the one that you mean.`,
  );
}
