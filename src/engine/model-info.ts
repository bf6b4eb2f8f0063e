import type { Executor, Program } from '../graph/executor.ts';
import { outputOf } from '../graph/graph.ts';
import { describeKvTypes } from '../graph/kv-types.ts';
import type { KvTypes } from '../graph/kv-types.ts';
import { graphOf, parameterCount } from '../graph/model-graphs.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { widthOf } from '../graph/value.ts';
import type { DecoderModel } from '../models/open-decoder.ts';
import { elementsOf } from '../tensor/tensor-type.ts';
import type { EmbeddingInfo, ModelInfo } from './api.ts';
import { answerFormat } from './prompt.ts';
import type { ModelCore } from './model-core.ts';
import { modelLoad } from './model-load.ts';
import { sourcesOf } from './model-parts.ts';
import type { ModelParts } from './model-parts.ts';

function describeTypes(decoder: DecoderModel): string {
  const bytes = new Map<string, number>();
  for (const weight of sourcesOf(decoder)) bytes.set(weight.type, (bytes.get(weight.type) ?? 0) + weight.sizeBytes);
  return [...bytes]
    .sort((a, b) => b[1] - a[1])
    .map(([type]) => type)
    .join(', ');
}

interface LoadedParts {
  readonly parts: ModelParts;
  readonly executor: Executor;
  readonly program: Program;
  readonly contextLength: number;
  readonly kvTypes: KvTypes;
  readonly core: ModelCore;
}

/** What a caller is told of a loaded model. */
export function modelInfo({ parts, executor, program, contextLength, kvTypes, core }: LoadedParts): ModelInfo {
  const { decoder, text } = parts;
  const { hostTable } = decoder;
  const parameters = parameterCount(decoder.model) + elementsOf(hostTable?.shape ?? [0]);
  return {
    name: parts.name,
    architecture: decoder.config.architecture,
    parameters,
    sizeBytes: parts.sizeBytes,
    quantisation: describeTypes(decoder),
    vocabSize: decoder.config.vocabSize,
    hasTokenizer: text.tokenizer !== undefined,
    contextLength,
    modelContextLength: decoder.config.contextLength,
    device: executor.kind,
    deviceDescription: executor.description,
    isTuned: program.isTuned,
    kvType: describeKvTypes(kvTypes),
    warnings: [...decoder.warnings, ...(text.warnings ?? [])],
    skipped: decoder.skipped,
    readByHost: hostTable?.origin,
    dialect: answerFormat({}, text).dialect.name,
    samplingDefaults: text.samplingDefaults,
    embedding: embeddingInfo(decoder.model),
    get memory() {
      return program.memory;
    },
    get load() {
      return modelLoad(core);
    },
  };
}

function embeddingInfo(model: ModelGraphs): EmbeddingInfo | undefined {
  const { encoder } = model;
  if (encoder === undefined) return undefined;
  return { pooling: encoder.pooling, dimensions: widthOf(outputOf(graphOf(model, encoder.graph), encoder.states)) };
}
