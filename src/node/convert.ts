/** A Hugging Face folder to one GGUF file. */
import { vocabularyMetadata, vocabularyWarnings } from '../files/vocabulary-metadata.ts';
import type { ByteSink } from '../files/byte-sink.ts';
import { samplingMetadata } from '../files/chat-template-metadata.ts';
import { convertTensors } from '../files/convert-tensors.ts';
import { GgufWriter } from '../files/gguf-writer.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { madeVocabulary } from '../files/made-vocabulary.ts';
import type { MadeToken } from '../files/made-vocabulary.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { ggufExport } from '../models/gguf-export.ts';
import { EXPORT_TYPES } from '../models/gguf-mixes.ts';
import type { ExportType } from '../models/gguf-mixes.ts';
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { InputError } from '../tensor/errors.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { fileSink } from './file-sink.ts';
import { locate } from './open-path.ts';
import { idList } from '../tensor/json.ts';

export interface ConvertOptions extends ReadOptions {
  readonly type: ExportType;
  /**
   * `source` writes the folder's own tokenizer (none where it has none), `none` only the ids of its special tokens, `made`
   * a made-up vocabulary of the right size, for engines that load nothing without one. Else the `tokenizer.*` keys themselves.
   */
  readonly vocabulary?: 'source' | 'none' | 'made' | GgufMetadata;
  /** `general.name`; by default the folder's name. */
  readonly modelName?: string;
  readonly onProgress?: OnProgress;
}

export interface ConvertResult {
  readonly sizeBytes: number;
  readonly tensors: number;
  /** Settings of the folder that are not known, and so not in the file; that it has no tokenizer, where its own was wanted. */
  readonly warnings: readonly string[];
}

/**
 * Converts the model at a path or URL to the GGUF file `outPath`, which appears only when it is whole.
 * @throws InputError, FormatError or CapacityError, with nothing left on the disk; the signal's reason when it aborts.
 */
export async function convertFile(pathOrUrl: string, outPath: string, options: ConvertOptions): Promise<ConvertResult> {
  const checkpoint = await openCheckpoint(await locate(pathOrUrl), options);
  try {
    return await convert(checkpoint, await fileSink(outPath), options);
  } finally {
    await checkpoint.close();
  }
}

/** Converts an open safetensors checkpoint; the sink is closed, or aborted on failure. Memory stays near a few rows of a tensor. */
export async function convert(checkpoint: Checkpoint, sink: ByteSink, options: ConvertOptions): Promise<ConvertResult> {
  try {
    checkOptions(checkpoint, options);
    const { config, warnings, metadata, tensors } = await ggufExport(checkpoint, {
      type: options.type,
      signal: options.signal,
      modelName: options.modelName ?? lastPart(checkpoint.name),
    });
    for (const [key, value] of generationMetadata(checkpoint)) metadata.set(key, value);
    for (const [key, value] of vocabularyOf(checkpoint, config.vocabSize, options)) metadata.set(key, value);
    const writer = await GgufWriter.open(sink, { metadata, tensors });
    await convertTensors(writer, tensors, options);
    await writer.close();
    return { sizeBytes: writer.sizeBytes, tensors: tensors.length, warnings: [...warnings, ...warningsOf(checkpoint, metadata, options)] };
  } catch (error) {
    await sink.abort();
    throw error;
  }
}

function checkOptions(checkpoint: Checkpoint, { type }: ConvertOptions): void {
  if (!EXPORT_TYPES.includes(type))
    throw new InputError(`The type must be one of ${EXPORT_TYPES.join(', ')}, found ${JSON.stringify(type)}.`);
  if (checkpoint.format === 'gguf') {
    throw new InputError(
      `${checkpoint.name} is a GGUF file already. Convert from the Hugging Face folder (config.json and safetensors) of the model.`,
    );
  }
}

function lastPart(path: string): string {
  return path.split(/[/\\]+/).filter(Boolean).at(-1) ?? 'model';
}

function generationMetadata(checkpoint: Checkpoint): GgufMetadata {
  const text = checkpoint.assets.get('generation_config.json');
  return text === undefined ? new Map() : samplingMetadata(parseJsonObject(text, `${checkpoint.name}: generation_config.json`));
}

function vocabularyOf(checkpoint: Checkpoint, vocabSize: number, { vocabulary = 'source' }: ConvertOptions): GgufMetadata {
  if (typeof vocabulary !== 'string') return vocabulary;
  const { assets, config, architecture, name } = checkpoint;
  const source = { assets, config, architecture, name, vocabSize };
  switch (vocabulary) {
    case 'none':
      return vocabularyMetadata({
        ...source,
        assets: new Map([...assets].filter(([asset]) => asset === 'generation_config.json')),
      });
    case 'source':
      return vocabularyMetadata(source);
    case 'made':
      return madeForConfig(checkpoint, vocabSize);
    default:
      throw new InputError(`The vocabulary must be source, none or made, found ${JSON.stringify(vocabulary satisfies never)}.`);
  }
}

/** A file without a tokenizer is of use to those who have token ids, and a surprise to all others. */
function warningsOf(checkpoint: Checkpoint, metadata: GgufMetadata, { vocabulary = 'source' }: ConvertOptions): readonly string[] {
  if (vocabulary !== 'source') return [];
  if (metadata.has('tokenizer.ggml.tokens')) return vocabularyWarnings(checkpoint);
  return [`${checkpoint.name} has no tokenizer.json, so the file has no tokenizer: it can be given token ids, but no text.`];
}

/** A made vocabulary whose special tokens have the ids that config.json names. */
function madeForConfig(checkpoint: Checkpoint, vocabSize: number): GgufMetadata {
  const [bosId, eosId, padId] = ['bos', 'eos', 'pad'].map((key) => idList(checkpoint.config?.[`${key}_token_id`])[0]);
  const fixed = new Map<number, MadeToken>();
  for (const [id, text] of [
    [padId, '<pad>'],
    [bosId, '<s>'],
    [eosId, '</s>'],
  ] as const)
    if (id !== undefined && id < vocabSize) fixed.set(id, { text, control: true });
  return madeVocabulary({ vocabSize, fixed, pre: 'gpt-2', bosId, eosId, padId, addBos: false });
}
