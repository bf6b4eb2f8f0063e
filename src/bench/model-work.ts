/** What a model has to move and to multiply for a token, from its graph: the physical limit that speeds are held against. */
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { KvType } from '../graph/executor.ts';
import { decoderGraphOf } from '../graph/model-graphs.ts';
import type { Graph } from '../graph/graph.ts';
import { rulesOf } from '../graph/ops/index.ts';
import { pagedStates } from '../graph/state.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { locate } from '../node/open-path.ts';
import { isQuantized } from '../tensor/tensor-type.ts';

export interface ModelWork {
  readonly name: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly vocabSize: number;
  /** The most positions that the model was made for. */
  readonly contextLength: number;
  /** Weight bytes read for one token; of a table, one row. */
  readonly weightBytes: number;
  /** Bytes of keys and values of one position. */
  readonly kvBytes: number;
  readonly kvType: KvType;
  /** Multiply-adds of the matrices for one row, without those that only wanted rows go through. */
  readonly rowMultiplyAdds: number;
  /** Of those: the head. */
  readonly headMultiplyAdds: number;
  /** Multiply-adds of attention for one row and one key. */
  readonly keyMultiplyAdds: number;
}

type Weights = ReadonlyMap<string, { readonly sizeBytes: number; readonly type: Parameters<typeof isQuantized>[0] }>;

/** Reads a model's headers. @throws as `openCheckpoint` and `openDecoder` do */
export async function readModelWork(modelPath: string, signal: AbortSignal): Promise<ModelWork> {
  const checkpoint = await openCheckpoint(await locate(modelPath, { signal }), { signal });
  try {
    const { config, model, weights } = await openDecoder(checkpoint, { signal });
    const parameters = model.weights.reduce((sum, { shape }) => sum + shape.reduce((product, dim) => product * dim, 1), 0);
    const { architecture, vocabSize, contextLength } = config;
    return { name: checkpoint.name, architecture, parameters, vocabSize, contextLength, ...graphWork(decoderGraphOf(model), weights) };
  } finally {
    await checkpoint.close();
  }
}

export type GraphWork = Pick<ModelWork, 'weightBytes' | 'kvBytes' | 'kvType' | 'rowMultiplyAdds' | 'headMultiplyAdds' | 'keyMultiplyAdds'>;

function graphWork(graph: Graph, weights: Weights): GraphWork {
  const kvType: KvType = [...weights.values()].some(({ type }) => isQuantized(type)) ? 'f16' : 'f32';
  const read = new Map<string, number>();
  let [rowMultiplyAdds, headMultiplyAdds, keyMultiplyAdds] = [0, 0, 0];
  for (const { op, outputs } of graph.nodes) {
    if (op.kind === 'embed') {
      const { id, shape } = op.weight;
      // A table that is the head too is read whole, there.
      if (!read.has(id)) read.set(id, weights.get(id)!.sizeBytes / shape[0]!);
    } else if (op.kind === 'linear') {
      const multiplyAdds = op.weight.shape[0]! * op.weight.shape[1]!;
      if (outputs[0]!.shape[0] === 'outRows') headMultiplyAdds += multiplyAdds;
      else rowMultiplyAdds += multiplyAdds;
      for (const { id } of op.bias === undefined ? [op.weight] : [op.weight, op.bias]) read.set(id, weights.get(id)!.sizeBytes);
    } else {
      for (const { id } of rulesOf(op).weights(op)) read.set(id, weights.get(id)!.sizeBytes);
      if (op.kind === 'attention') keyMultiplyAdds += op.heads * (op.state.keyDim + op.state.valueDim);
    }
  }
  const kvValues = pagedStates(graph.states).reduce((sum, { heads, keyDim, valueDim }) => sum + heads * (keyDim + valueDim), 0);
  const weightBytes = [...read.values()].reduce((sum, bytes) => sum + bytes, 0);
  return { weightBytes, kvType, kvBytes: kvValues * (kvType === 'f16' ? 2 : 4), rowMultiplyAdds, headMultiplyAdds, keyMultiplyAdds };
}

/** Bytes that one decode step reads, with `positions` of keys and values behind it. */
export function decodeBytes({ weightBytes, kvBytes }: GraphWork, positions: number): number {
  return weightBytes + positions * kvBytes;
}

/** Multiply-adds of reading a prompt of `tokens`, the logits of the last one included. */
export function prefillMultiplyAdds({ rowMultiplyAdds, headMultiplyAdds, keyMultiplyAdds }: GraphWork, tokens: number): number {
  return tokens * rowMultiplyAdds + headMultiplyAdds + ((tokens * (tokens + 1)) / 2) * keyMultiplyAdds;
}
