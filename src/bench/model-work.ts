/** What a model has to move and to multiply for a token, from its graph: the physical limit that speeds are held against. */
import { resolveKvTypes } from '../engine/model-room.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { describeKvTypes } from '../graph/kv-types.ts';
import type { KvChoice } from '../graph/kv-types.ts';
import { decoderGraphOf, parameterCount } from '../graph/model-graphs.ts';
import { multiplyAddsOf } from '../graph/multiply-adds.ts';
import { rulesOf } from '../graph/ops/index.ts';
import { usedExperts } from '../graph/ops/route.ts';
import { stateGroups } from '../graph/state.ts';
import { groupPageBytes } from '../graph/state-sizes.ts';
import { sourceOf } from '../graph/weight-lookup.ts';
import { openDecoder } from '../models/open-decoder.ts';
import type { DecoderModel } from '../models/open-decoder.ts';
import { locate } from '../node/open-path.ts';
import { InputError } from '../tensor/errors.ts';

export interface ModelWork {
  readonly name: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly vocabSize: number;
  /** Whether it takes pictures. */
  readonly sees: boolean;
  /** The most positions that the model was made for. */
  readonly contextLength: number;
  /** Weight bytes read for one token; of a table, one row; of experts, those that a token goes to. */
  readonly weightBytes: number;
  /** Bytes of keys and values of one position. */
  readonly kvBytes: number;
  readonly kvType: KvChoice;
  /** Multiply-adds of the matrices for one row, without those that only wanted rows go through. */
  readonly rowMultiplyAdds: number;
  /** Of those: the head. */
  readonly headMultiplyAdds: number;
  /** Multiply-adds of attention for one row and one key. */
  readonly keyMultiplyAdds: number;
}

export interface WorkOptions {
  readonly signal: AbortSignal;
  /** Default: as the engine takes it. */
  readonly kvType?: KvChoice | undefined;
}

/** Reads a model's headers. @throws as `openCheckpoint` and `openDecoder` do; InputError for a model that makes embeddings only */
export async function readModelWork(modelPath: string, { signal, kvType }: WorkOptions): Promise<ModelWork> {
  const checkpoint = await openCheckpoint(await locate(modelPath, { signal, reads: 'headers' }), { signal });
  try {
    return workOf(await openDecoder(checkpoint, { signal }), { name: checkpoint.name, kvType });
  } finally {
    await checkpoint.close();
  }
}

/** As {@link readModelWork}, of a model that is open. */
export function workOf(
  decoder: DecoderModel, { name, kvType }: { readonly name: string; readonly kvType: KvChoice | undefined },
): ModelWork {
  const { config, model, vision } = decoder;
  if (model.decoder === undefined)
    throw new InputError(`${name} (${config.architecture}) makes embeddings, and this measures how fast a model predicts tokens.`);
  const { architecture, vocabSize, contextLength } = config;
  const of = { name, architecture, parameters: parameterCount(model), vocabSize, sees: vision !== undefined, contextLength };
  return { ...of, ...graphWork(decoder, kvType) };
}

export type GraphWork = Pick<ModelWork, 'weightBytes' | 'kvBytes' | 'kvType' | 'rowMultiplyAdds' | 'headMultiplyAdds' | 'keyMultiplyAdds'>;

function graphWork(decoder: DecoderModel, wanted: KvChoice | undefined): GraphWork {
  const graph = decoderGraphOf(decoder.model);
  const kvTypes = resolveKvTypes(wanted, decoder);
  const sizeOf = (id: string) => sourceOf(decoder, id).sizeBytes;
  const read = new Map<string, number>();
  const { row: rowMultiplyAdds, outRow: headMultiplyAdds } = multiplyAddsOf(graph);
  let keyMultiplyAdds = 0;
  for (const { op, inputs } of graph.nodes) {
    if (op.kind === 'expertLinear') {
      const [experts] = op.weight.shape as [number, number, number];
      const used = usedExperts(inputs[1]!);
      for (const { id } of rulesOf(op).weights(op)) read.set(id, (sizeOf(id) / experts) * used);
    } else if (op.kind === 'embed') {
      const { id, shape } = op.weight;
      // A table that is the head too is read whole, there.
      if (!read.has(id)) read.set(id, sizeOf(id) / shape[0]!);
    } else if (op.kind === 'linear') {
      for (const { id } of op.bias === undefined ? [op.weight] : [op.weight, op.bias]) read.set(id, sizeOf(id));
    } else {
      for (const { id } of rulesOf(op).weights(op)) read.set(id, sizeOf(id));
      const isOverRows = op.kind === 'attention' || (op.kind === 'storedAttention' && !op.state.memory);
      if (isOverRows) keyMultiplyAdds += op.heads * (op.state.keyDim + op.state.valueDim);
    }
  }
  const kvBytes = stateGroups(graph.states).reduce((sum, group) => sum + groupPageBytes(group, { ...kvTypes, pageTokens: 1 }), 0);
  const weightBytes = [...read.values()].reduce((sum, bytes) => sum + bytes, 0);
  return { weightBytes, kvType: describeKvTypes(kvTypes), kvBytes, rowMultiplyAdds, headMultiplyAdds, keyMultiplyAdds };
}

/** Bytes that one decode step reads, with `positions` of keys and values behind it. */
export function decodeBytes({ weightBytes, kvBytes }: GraphWork, positions: number): number {
  return weightBytes + positions * kvBytes;
}

/** Multiply-adds of reading a prompt of `tokens`, the logits of the last one included. */
export function prefillMultiplyAdds({ rowMultiplyAdds, headMultiplyAdds, keyMultiplyAdds }: GraphWork, tokens: number): number {
  return tokens * rowMultiplyAdds + headMultiplyAdds + ((tokens * (tokens + 1)) / 2) * keyMultiplyAdds;
}
