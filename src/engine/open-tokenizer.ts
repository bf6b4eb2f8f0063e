/** A tokenizer without its model, where somebody has said it is. */
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { CheckpointLocation } from '../files/open-checkpoint.ts';
import type { ReadOptions, SourceFolder } from '../tensor/byte-source.ts';
import { FormatError } from '../tensor/errors.ts';
import { requireTokenizer, tokenizerFromFolder } from '../text/load-tokenizer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';

/**
 * Of a GGUF file (a vocabulary alone will do), a tokenizer.json, or a model's folder.
 * @throws FormatError for what holds no tokenizer, or a damaged one
 */
export async function openTokenizer(location: CheckpointLocation, options?: ReadOptions): Promise<Tokenizer> {
  const { folder, fileName } = location;
  if (fileName === undefined) return (await tokenizerFromFolder(folder, undefined, options)) ?? tokenizerInModel(location, options);
  return isTokenizerName(fileName) ? tokenizerOfJson(folder, fileName, options) : tokenizerInModel(location, options);
}

/** JSON files that are a model rather than a tokenizer: the index of a split one, and its configuration. */
function isTokenizerName(fileName: string): boolean {
  return /\.json$/i.test(fileName) && fileName !== 'config.json' && !fileName.endsWith('.index.json');
}

/** @throws FormatError where there is none of that name, or a damaged one */
export async function tokenizerOfJson(folder: SourceFolder, fileName: string, options?: ReadOptions): Promise<Tokenizer> {
  let reason: string | undefined;
  const onAbsent = (found: string) => {
    reason = found;
  };
  const tokenizer = await tokenizerFromFolder(folder, fileName, { ...options, onAbsent });
  if (tokenizer !== undefined) return tokenizer;
  throw new FormatError(`${folder.name} has no file ${JSON.stringify(fileName)}${reason === undefined ? '' : ` (${reason})`}.`);
}

/** The tokenizer in a model's own files. @throws as `openCheckpoint`; FormatError where there is none */
export async function tokenizerInModel(location: CheckpointLocation, options?: ReadOptions): Promise<Tokenizer> {
  const checkpoint = await openCheckpoint(location, options);
  try {
    return await requireTokenizer(checkpoint);
  } finally {
    await checkpoint.close();
  }
}
