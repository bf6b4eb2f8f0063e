/** A GGUF file of random weights at the shapes of a real model, for benchmarks without downloads. */
import { basename, dirname, join } from 'node:path';
import type { ByteSink } from '../files/byte-sink.ts';
import { GgufWriter } from '../files/gguf-writer.ts';
import { synthTensors } from '../files/synth-tensors.ts';
import { synthVocabulary } from '../files/synth-vocabulary.ts';
import { SYNTH_MODELS, SYNTH_TYPES, synthPlan } from '../models/synth-shapes.ts';
import type { SynthModel, SynthType } from '../models/synth-shapes.ts';
import type { ProjectorPlan } from '../models/synth-towers.ts';
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
  /** Of a model that sees: the file of its tower. */
  readonly projectorPath?: string | undefined;
}

/**
 * Writes the file `outPath`, which appears only when it is whole.
 * @throws InputError for an unknown model or type, CapacityError for a full disk; the signal's reason when it aborts.
 */
export async function synthFile(outPath: string, options: SynthOptions): Promise<SynthResult> {
  checkOptions(options);
  const model = await synth(await fileSink(outPath), options);
  const { projector } = synthPlan(options.model, options.type, options.layers);
  if (projector === undefined) return model;
  const projectorPath = join(dirname(outPath), projectorName(basename(outPath)));
  const written = await writeTensors(await fileSink(projectorPath), { ...projector, seed: (options.seed ?? 0) + 1 }, options);
  return { sizeBytes: model.sizeBytes + written.sizeBytes, tensors: model.tensors + written.tensors, projectorPath };
}

/** What the tower's file beside a model's is called. */
export function projectorName(fileName: string): string {
  return `mmproj-${fileName}`;
}

/** Writes to an open sink, which is closed, or aborted on failure. */
export async function synth(sink: ByteSink, options: SynthOptions): Promise<SynthResult> {
  try {
    checkOptions(options);
    const { config, metadata, tensors, deviation, vocabulary } = synthPlan(options.model, options.type, options.layers);
    const keys = new Map([...metadata, ...synthVocabulary(vocabulary, config.vocabSize)]);
    return await writeTensors(sink, { metadata: keys, tensors, deviation, seed: options.seed ?? 0 }, options);
  } catch (error) {
    await sink.abort();
    throw error;
  }
}

async function writeTensors(
  sink: ByteSink, { metadata, tensors, deviation, seed }: ProjectorPlan & { readonly seed: number },
  { signal, onProgress }: Pick<SynthOptions, 'signal' | 'onProgress'>,
): Promise<SynthResult> {
  try {
    const writer = await GgufWriter.open(sink, { metadata, tensors });
    await synthTensors(writer, tensors, { seed, deviation, signal, onProgress });
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
