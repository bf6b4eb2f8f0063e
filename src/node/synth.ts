/** A GGUF file of random weights at the shapes of a real model, for benchmarks without downloads. */
import type { ByteSink } from '../files/byte-sink.ts';
import { GgufWriter } from '../files/gguf-writer.ts';
import { synthTensors } from '../files/synth-tensors.ts';
import { synthVocabulary } from '../files/synth-vocabulary.ts';
import { SYNTH_MODELS, SYNTH_TYPES, synthPlan } from '../models/synth-shapes.ts';
import type { SynthModel, SynthType } from '../models/synth-shapes.ts';
import type { ReadOptions } from '../tensor/byte-source.ts';
import { InputError } from '../tensor/errors.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { fileSink } from './file-sink.ts';

export interface SynthOptions extends ReadOptions {
  readonly model: SynthModel;
  readonly type: SynthType;
  /** The same seed gives the same file. By default 0. */
  readonly seed?: number;
  /** Only so many of the model's first layers. By default all. */
  readonly layers?: number | undefined;
  readonly onProgress?: OnProgress;
}

export interface SynthResult {
  readonly sizeBytes: number;
  readonly tensors: number;
}

/**
 * Writes the file `outPath`, which appears only when it is whole.
 * @throws InputError for an unknown model or type, CapacityError for a full disk; the signal's reason when it aborts.
 */
export async function synthFile(outPath: string, options: SynthOptions): Promise<SynthResult> {
  checkOptions(options);
  return synth(await fileSink(outPath), options);
}

/** Writes to an open sink, which is closed, or aborted on failure. */
export async function synth(sink: ByteSink, options: SynthOptions): Promise<SynthResult> {
  try {
    checkOptions(options);
    const { config, metadata, tensors, deviation, vocabulary } = synthPlan(options.model, options.type, options.layers);
    const vocabularyKeys = synthVocabulary(vocabulary, config.vocabSize);
    const writer = await GgufWriter.open(sink, { metadata: new Map([...metadata, ...vocabularyKeys]), tensors });
    await synthTensors(writer, tensors, { seed: options.seed ?? 0, deviation, signal: options.signal, onProgress: options.onProgress });
    await writer.close();
    return { sizeBytes: writer.sizeBytes, tensors: tensors.length };
  } catch (error) {
    await sink.abort();
    throw error;
  }
}

function checkOptions({ model, type, seed = 0 }: SynthOptions): void {
  if (!SYNTH_MODELS.includes(model))
    throw new InputError(`The model must be one of ${SYNTH_MODELS.join(', ')}, found ${JSON.stringify(model)}.`);
  if (!SYNTH_TYPES.includes(type))
    throw new InputError(`The type must be one of ${SYNTH_TYPES.join(', ')}, found ${JSON.stringify(type)}.`);
  if (!Number.isSafeInteger(seed)) throw new InputError(`The seed must be an integer, found ${seed}.`);
}
