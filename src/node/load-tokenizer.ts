import { stat } from 'node:fs/promises';
import { openTokenizer, tokenizerOfJson, tokenizerInModel } from '../engine/open-tokenizer.ts';
import type { CheckpointLocation } from '../files/open-checkpoint.ts';
import type { ByteSource, ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { InputError } from '../tensor/errors.ts';
import { checkOptionNames, describeValue } from '../tensor/option-names.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import { requireTokenizer, tokenizerFromFolder } from '../text/load-tokenizer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { directorySource } from './file-source.ts';
import { locate } from './open-path.ts';

const READ_NAMES: NamesOf<ReadOptions> = { signal: true };

/**
 * Loads a tokenizer without its model: from a GGUF file (a vocabulary alone will do), a tokenizer.json, or a model
 * folder; given as a path, a URL, one file's source or a folder's. A source that is passed in stays open.
 * @throws InputError for a path that cannot be read, or an option that cannot be meant; FormatError for what holds no tokenizer, or a
 * damaged one.
 */
export async function loadTokenizer(place: string | ByteSource | SourceFolder, options: ReadOptions = {}): Promise<Tokenizer> {
  checkOptionNames(options, READ_NAMES, 'loadTokenizer');
  checkOperation(options);
  options.signal?.throwIfAborted();
  if (typeof place !== 'string') {
    if (typeof place !== 'object' || place === null || !('open' in place || 'read' in place)) {
      throw new InputError(`loadTokenizer takes a path or URL, a file's source or a folder's, found ${describeValue(place)}.`);
    }

    return 'open' in place ? fromFolder(place, () => Promise.resolve({ folder: place }), options) : fromFile(place, options);
  }
  if (await isDirectory(place)) return fromFolder(directorySource(place), () => locate(place, options), options);
  const location = await locate(place, { ...options, reads: 'headers' });
  return openTokenizer(location, options);
}

/**
 * The tokenizer of a model: the one that is named, or given, else its own.
 * @throws as {@link loadTokenizer}
 */
export async function tokenizerOfModel(
  checkpoint: Checkpoint, { tokenizer, signal }: ReadOptions & { readonly tokenizer?: string | Tokenizer | undefined },
): Promise<Tokenizer> {
  if (typeof tokenizer === 'string') return loadTokenizer(tokenizer, { signal });
  return tokenizer ?? requireTokenizer(checkpoint, 'Name another place of it (tokenizer, or --tokenizer).');
}

async function isDirectory(path: string): Promise<boolean> {
  if (/^[a-z]+:\/\//i.test(path)) return false;
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** A tokenizer.json in a folder is enough; there need be no weights beside it. */
async function fromFolder(folder: SourceFolder, locateModel: () => Promise<CheckpointLocation>, options?: ReadOptions): Promise<Tokenizer> {
  return (await tokenizerFromFolder(folder, undefined, options)) ?? tokenizerInModel(await locateModel(), options);
}

const ggufMagic = 'GGUF';

async function fromFile(source: ByteSource, options?: ReadOptions): Promise<Tokenizer> {
  const magic = new Uint8Array(Math.min(ggufMagic.length, source.sizeBytes));
  await source.read(0, magic, options);
  const isGguf = String.fromCharCode(...magic) === ggufMagic;
  const fileName = isGguf ? 'model.gguf' : 'tokenizer.json';
  const shared: ByteSource = {
    name: source.name,
    sizeBytes: source.sizeBytes,
    read: (...args) => source.read(...args),
    close: () => Promise.resolve(),
  };
  const folder: SourceFolder = {
    name: source.name,
    open: (name) => Promise.resolve(name === fileName ? shared : undefined),
  };
  return isGguf ? tokenizerInModel({ folder, fileName }, options) : tokenizerOfJson(folder, fileName, options);
}
