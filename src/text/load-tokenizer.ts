/** A tokenizer without its model: from a GGUF file (a vocabulary alone will do), a tokenizer.json or a model folder. */
import type { OpenOptions, SourceFolder } from '../tensor/byte-source.ts';
import type { AssetName, Checkpoint } from '../tensor/checkpoint.ts';
import { decodeUtf8 } from '../tensor/decode-utf8.ts';
import { FormatError } from '../tensor/errors.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { tokenizerFromCheckpoint } from './tokenizer-from-checkpoint.ts';
import type { Tokenizer } from './tokenizer.ts';

/** @throws FormatError for a model without a tokenizer, and as {@link tokenizerFromCheckpoint} */
export async function requireTokenizer(checkpoint: Checkpoint, advice?: string): Promise<Tokenizer> {
  const tokenizer = await tokenizerFromCheckpoint(checkpoint);
  if (tokenizer !== undefined) return tokenizer;
  throw new FormatError(
    `${checkpoint.name} holds no tokenizer: expected tokenizer.json beside the weights, or tokenizer.ggml.tokens in a GGUF file.` +
      (advice === undefined ? '' : ` ${advice}`),
  );
}

/** The longest tokenizer.json that is read; those of 250,000 tokens take 30 MB. */
const maxJsonBytes = 256 * 1024 * 1024;

/**
 * Reads tokenizer.json and the files beside it from a folder, where there need be no weights.
 * @param fileName the tokenizer's name where it is another
 * @returns undefined where the folder has no such file
 */
export async function tokenizerFromFolder(
  folder: SourceFolder,
  fileName = 'tokenizer.json',
  { onAbsent, ...options }: OpenOptions = {},
): Promise<Tokenizer | undefined> {
  const tokenizer = await readText(folder, fileName, { ...options, onAbsent });
  if (tokenizer === undefined) return undefined;
  const read = async (name: AssetName) => {
    const text = await readText(folder, name, options);
    return text === undefined ? undefined : parseJsonObject(text, `${folder.name}: ${name}`);
  };
  const { jsonTokenizer } = await import('./json-tokenizer.ts');
  return jsonTokenizer({
    name: folder.name,
    tokenizer,
    settings: await read('tokenizer_config.json'),
    generation: await read('generation_config.json'),
    config: await read('config.json'),
  });
}

async function readText(folder: SourceFolder, fileName: string, options?: OpenOptions): Promise<string | undefined> {
  const source = await folder.open(fileName, options);
  if (source === undefined) return undefined;
  try {
    if (source.sizeBytes > maxJsonBytes) {
      throw new FormatError(`${source.name} has ${source.sizeBytes} bytes; a file of text beside a model has at most ${maxJsonBytes}.`);
    }
    const bytes = new Uint8Array(source.sizeBytes);
    await source.read(0, bytes, options);
    return decodeUtf8(bytes, source.name);
  } finally {
    await source.close();
  }
}
