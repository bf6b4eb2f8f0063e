/**
 * Scales of whole matrices in GGUF files: `blk.0.ffn_up.scale`, f32 [1], beside `blk.0.ffn_up.weight`. llama.cpp writes them for NVFP4,
 * whose blocks have scales under one more, and reads them for every type: y = s (W x) (llama-model.cpp, build_lora_mm). Here the graph
 * multiplies x, which is the same, comes before a bias, and is done once for products of one x that have the same scale.
 */
import type { Graph, GraphNode } from '../graph/graph.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { rulesOf } from '../graph/ops/index.ts';
import type { Value } from '../graph/value.ts';
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { tensorsOf } from './weight-expression.ts';
import { exactNames } from './weight-spec.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

export interface TensorScale {
  readonly entry: TensorEntry;
  /** Of the weights that are made of the matrix. */
  readonly weightIds: readonly string[];
}

/** Tensors of a file that are scales of its matrices: none where the family itself reads one of that name. */
export function tensorScalesOf({ format, tensors }: Checkpoint, specs: readonly WeightSpec[]): readonly TensorScale[] {
  if (format !== 'gguf') return [];
  const read = new Map(specs.map(({ id, gguf }) => [id, tensorsOf(gguf)]));
  const named = new Set([...read.values()].flat());
  return [...tensors].flatMap(([name, entry]) => {
    if (!name.endsWith('.scale') || named.has(name)) return [];
    const matrix = name.replace(/scale$/, 'weight');
    const weightIds = [...read].filter(([, names]) => names.includes(matrix)).map(([id]) => id);
    return weightIds.length === 0 ? [] : [{ entry, weightIds }];
  });
}

/** What is not read as a weight, and why; scales of activations are for those that round them to FP4. */
export function scaleSkips(scales: readonly TensorScale[]): readonly SkipRule[] {
  if (scales.length === 0) return [];
  const names = scales.map(({ entry }) => entry.name);
  return [
    { pattern: exactNames(names), reason: 'multiplies what its matrix is multiplied by' },
    {
      pattern: exactNames(names.map((name) => name.replace(/scale$/, 'input_scale'))),
      reason: 'for activations in FP4, which these are not',
    },
  ];
}

/** @throws FormatError where a matrix with a scale is no plain product's */
export function withTensorScales(model: ModelGraphs, scales: ReadonlyMap<string, number>, where: string): ModelGraphs {
  if (scales.size === 0) return model;
  const graphs = new Map([...model.graphs].map(([name, graph]) => [name, scaledGraph(graph, scales, where)]));
  return { ...model, graphs };
}

function scaledGraph(graph: Graph, scales: ReadonlyMap<string, number>, where: string): Graph {
  const values = [...graph.inputs.values(), ...graph.nodes.flatMap(({ outputs }) => outputs)];
  let nextId = Math.max(...values.map(({ id }) => id)) + 1;
  const made = new Map<string, Value>();
  const nodes = graph.nodes.flatMap((node): readonly GraphNode[] => {
    const scaled = rulesOf(node.op).weights(node.op).find(({ id }) => scales.has(id));
    if (scaled === undefined) return [node];
    if (node.op.kind !== 'linear')
      throw new FormatError(`${where}: expected scales of matrices of plain products only, found one of ${scaled.id} (${node.op.kind}).`);
    const by = scales.get(scaled.id) as number;
    if (by === 1) return [node];
    const [x] = node.inputs as readonly [Value];
    const key = `${x.id} ${by}`;
    const known = made.get(key);
    if (known) return [{ ...node, inputs: [known] }];
    const value: Value = { ...x, id: nextId++, label: `${node.label}.scaled` };
    made.set(key, value);
    return [{ op: { kind: 'scale', by }, inputs: [x], outputs: [value], label: value.label }, { ...node, inputs: [value] }];
  });
  return { ...graph, nodes };
}
