/** Parts that towers share: layers of transformers with layer norms, over the patches of one picture, which all see each other. */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { fullAttention } from '../graph/ops/full-attention.ts';
import { layerNorm } from '../graph/ops/layer-norm.ts';
import { widthOf } from '../graph/value.ts';
import type { Value } from '../graph/value.ts';
import { product } from './decoder-graph.ts';
import { tensor } from './weight-expression.ts';
import type { WeightExpression } from './weight-expression.ts';
import type { WeightSpec } from './weight-spec.ts';

export interface TowerSizes {
  readonly dim: number;
  readonly heads: number;
  readonly ffnDim: number;
  readonly layers: number;
  readonly eps: number;
}

/** Names in both formats; `.weight` and `.bias` follow. */
export interface PartNames {
  readonly gguf: string;
  readonly safetensors: string;
}

/** A matrix, or a gain, and its bias. */
export function biased(id: string, shape: readonly number[], names: PartNames): readonly WeightSpec[] {
  const stored = (kind: 'weight' | 'bias', own: readonly number[]): Omit<WeightSpec, 'id' | 'shape'> =>
    ({ gguf: tensor(`${names.gguf}.${kind}`, own), safetensors: tensor(`${names.safetensors}.${kind}`, own) });
  const bias = [shape[0] as number];
  return [{ id, shape, ...stored('weight', shape) }, { id: `${id}.bias`, shape: bias, ...stored('bias', bias) }];
}

/** A part of the rows of such a pair. */
export function biasedPart(
  id: string, shape: readonly number[], of: (kind: 'weight' | 'bias') => Omit<WeightSpec, 'id' | 'shape'>,
): readonly WeightSpec[] {
  return [{ id, shape, ...of('weight') }, { id: `${id}.bias`, shape: [shape[0] as number], ...of('bias') }];
}

/** In both formats. */
export function both(expression: (name: string) => WeightExpression, names: PartNames): Omit<WeightSpec, 'id' | 'shape'> {
  return { gguf: expression(names.gguf), safetensors: expression(names.safetensors) };
}

export function normed(g: GraphBuilder, name: string, x: Value, eps: number): Value {
  const width = widthOf(x);
  return layerNorm(g, name, x, { weight: g.weight(g.path(name), [width]), bias: g.weight(g.path(`${name}.bias`), [width]), eps });
}

/** x times a matrix with a bias. */
export function affine(g: GraphBuilder, name: string, x: Value, out: number): Value {
  return product(g, name, x, { out, biases: [name] });
}

export interface TowerLayer extends TowerSizes {
  /** What heads of queries and keys turn by; default nothing. */
  turn?(g: GraphBuilder, name: string, heads: Value): Value;
}

/** x + attention(norm1 x), and that + mlp(norm2 of it). x [patches, dim]. Weights: norm1, q, k, v, o, norm2, up, down. */
export function towerLayer(g: GraphBuilder, x: Value, { dim, heads, ffnDim, eps, turn = (_, __, of) => of }: TowerLayer): Value {
  const first = normed(g, 'norm1', x, eps);
  const part = (name: string) => affine(g, name, first, dim);
  const headDim = dim / heads;
  const qkv = [turn(g, 'q_rope', part('q')), turn(g, 'k_rope', part('k')), part('v')] as const;
  const mixed = fullAttention(g, 'attend', qkv, { heads, kvHeads: heads, keyDim: headDim, valueDim: headDim, scale: headDim ** -0.5 });
  const h = add(g, 'attn.residual', x, affine(g, 'o', mixed, dim));
  const up = activation(g, 'act', 'geluTanh', affine(g, 'up', normed(g, 'norm2', h, eps), ffnDim));
  return add(g, 'mlp.residual', h, affine(g, 'down', up, dim));
}
