/** What `inspect` tells, as data. A part that cannot be read says why; the others are there all the same. */
import { isSupported, openDecoder } from '../models/open-decoder.ts';
import type { DecoderModel } from '../models/open-decoder.ts';
import type { VisionTower } from '../models/vision.ts';
import type { ReadOptions } from '../tensor/byte-source.ts';
import type { Checkpoint, MetadataValue } from '../tensor/checkpoint.ts';
import { chatTemplateSources } from '../text/chat-template-source.ts';
import { dialectOf } from '../text/answers/dialects.ts';
import { samplingDefaults } from '../text/sampling-defaults.ts';
import { endTokens, tokenizerFromCheckpoint } from '../text/tokenizer-from-checkpoint.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { elementsOf } from '../tensor/tensor-type.ts';

export interface Problem {
  readonly problem: string;
}

export interface TypeTotal {
  readonly type: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly sizeBytes: number;
}

export type InspectReport = Awaited<ReturnType<typeof inspectReport>>;

export async function inspectReport(checkpoint: Checkpoint, options: ReadOptions) {
  const tensors = [...checkpoint.tensors.values()].map(({ name, type, shape, sizeBytes, fileName, fileOffset }) => ({
    name,
    type,
    shape,
    sizeBytes,
    fileName,
    fileOffset,
  }));
  const model = await attempt(() => openDecoder(checkpoint, options), options);
  const tokenizer = await attempt(() => tokenizerFromCheckpoint(checkpoint), options);
  const found = isProblem(tokenizer) ? undefined : tokenizer;
  const metadata: Record<string, MetadataValue> = Object.fromEntries(checkpoint.metadata);
  return {
    name: checkpoint.name,
    format: checkpoint.format,
    architecture: checkpoint.architecture,
    isSupported: isSupported(checkpoint),
    sizeBytes: checkpoint.sizeBytes,
    parameters: tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
    model: isProblem(model) ? model : modelPart(model, checkpoint),
    tokenizer: isProblem(tokenizer) ? tokenizer : tokenizerPart(tokenizer),
    endTokens: await attempt(() => [...endTokens(checkpoint, found)].map((id) => ({ id, text: tokenText(found, id) })), options),
    samplingDefaults: await attempt(() => samplingDefaults(checkpoint), options),
    chatTemplates: await attempt(
      () => [...chatTemplateSources(checkpoint)].map(([name, source]) => ({ name, characters: source.length })),
      options,
    ),
    dialect: await attempt(() => dialectOf(checkpoint, found).name, options),
    metadata,
    config: checkpoint.config ?? null,
    types: typeTotals(tensors),
    tensors,
  };
}

export function isProblem(part: unknown): part is Problem {
  return typeof part === 'object' && part !== null && 'problem' in part;
}

async function attempt<Part>(read: () => Part | Promise<Part>, { signal }: ReadOptions): Promise<Part | Problem> {
  try {
    return await read();
  } catch (error) {
    signal?.throwIfAborted();
    return { problem: (error as Error).message };
  }
}

function modelPart({ config, skipped, warnings, vision }: DecoderModel, { projector }: Checkpoint) {
  return { config, skipped, warnings, ...(vision && { vision: visionPart(vision, projector?.checkpoint) }) };
}

/** The tower; `file`: where it is one of its own. */
function visionPart({ info, weights, deep }: VisionTower, file: Checkpoint | undefined) {
  const { family, patchSize, mergeSize, temporalPatchSize, mean, std } = info;
  return {
    family, file: file?.name, parameters: weights.reduce((sum, { shape }) => sum + elementsOf(shape), 0), sizeBytes: file?.sizeBytes,
    patchSize, mergeSize, temporalPatchSize, deepLayers: deep, mean, std,
  };
}

function tokenizerPart(tokenizer: Tokenizer | undefined) {
  if (tokenizer === undefined) return null;
  const { kind, vocabSize, special, addBos, addEos, limits, warnings } = tokenizer;
  const more = { ...(limits === undefined ? {} : { limits }), ...(warnings.length === 0 ? {} : { warnings }) };
  return { kind, vocabSize, special, addBos, addEos, ...more };
}

function tokenText(tokenizer: Tokenizer | undefined, id: number): string | null {
  return tokenizer !== undefined && id < tokenizer.vocabSize ? tokenizer.tokenText(id) : null;
}

function typeTotals(
  tensors: readonly { readonly type: string; readonly shape: readonly number[]; readonly sizeBytes: number }[],
): TypeTotal[] {
  const totals = new Map<string, TypeTotal>();
  for (const { type, shape, sizeBytes } of tensors) {
    const before = totals.get(type) ?? { type, tensors: 0, parameters: 0, sizeBytes: 0 };
    totals.set(type, {
      type,
      tensors: before.tensors + 1,
      parameters: before.parameters + elementsOf(shape),
      sizeBytes: before.sizeBytes + sizeBytes,
    });
  }
  return [...totals.values()].sort((a, b) => b.sizeBytes - a.sizeBytes);
}
