/** Decoder graphs as families write their layers: norms before, around or after blocks, or of whole rows of q and k; own embeddings. */
import { buildGraph } from '../src/graph/graph-builder.ts';
import type { GraphBuilder } from '../src/graph/graph-builder.ts';
import type { Graph } from '../src/graph/graph.ts';
import { gated } from '../src/graph/ops/activation.ts';
import type { ActivationName } from '../src/graph/ops/activation.ts';
import { add } from '../src/graph/ops/add.ts';
import { attention } from '../src/graph/ops/attention.ts';
import { columns } from '../src/graph/ops/columns.ts';
import { embed } from '../src/graph/ops/embed.ts';
import { gatherRows } from '../src/graph/ops/gather-rows.ts';
import { linear } from '../src/graph/ops/linear.ts';
import { rmsNorm } from '../src/graph/ops/rms-norm.ts';
import { rope } from '../src/graph/ops/rope.ts';
import type { RopeTable } from '../src/graph/ops/rope.ts';
import { scale } from '../src/graph/ops/scale.ts';
import { softcap } from '../src/graph/ops/softcap.ts';
import type { Value } from '../src/graph/value.ts';

export interface FamilyShape {
  readonly name: string;
  readonly layers: number;
  readonly dim: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly ffnDim: number;
  readonly vocab: number;
  readonly norms: 'before' | 'around' | 'after';
  /** Of q and k: of each head, or of the whole row. */
  readonly headNorms: 'heads' | 'rows';
  /** A norm of v's heads, without a gain. */
  readonly valueNorm?: boolean;
  readonly activation: ActivationName;
  /** Width of a layer's own embedding (Gemma 4). */
  readonly perLayer?: number;
}

const GEMMA_3: Omit<FamilyShape, 'layers' | 'dim' | 'heads' | 'kvHeads' | 'headDim' | 'ffnDim' | 'vocab'> = {
  name: 'gemma3', norms: 'around', headNorms: 'heads', activation: 'geluTanh',
};

/** The families' layers at sizes of published models, two of each. */
export const FAMILIES = {
  gemma3: { ...GEMMA_3, layers: 2, dim: 1152, heads: 4, kvHeads: 1, headDim: 256, ffnDim: 6912, vocab: 262_144 },
  gemma4: {
    ...GEMMA_3, name: 'gemma4', valueNorm: true, perLayer: 256,
    layers: 2, dim: 1536, heads: 8, kvHeads: 1, headDim: 256, ffnDim: 6144, vocab: 262_144,
  },
  olmo3: {
    name: 'olmo3', norms: 'after', headNorms: 'rows', activation: 'silu',
    layers: 2, dim: 4096, heads: 32, kvHeads: 32, headDim: 128, ffnDim: 11_008, vocab: 100_352,
  },
} as const satisfies Readonly<Record<string, FamilyShape>>;

export type FamilyName = keyof typeof FAMILIES;

/** Small enough to run on the software adapter. */
export function tinyFamily(name: FamilyName): FamilyShape {
  const family: FamilyShape = FAMILIES[name];
  const sizes = { layers: 2, dim: 64, heads: 4, kvHeads: 2, headDim: 16, ffnDim: 96, vocab: 50 };
  return { ...family, ...sizes, ...(family.perLayer && { perLayer: 32 }) };
}

function product(g: GraphBuilder, name: string, x: Value, out: number): Value {
  return linear(g, name, x, g.weight(g.path(name), [out, x.shape[1] as number]));
}

function norm(g: GraphBuilder, name: string, x: Value, groups = 1): Value {
  return rmsNorm(g, name, x, { weight: g.weight(g.path(name), [(x.shape[1] as number) / groups]), eps: 1e-6, groups });
}

/** All layers' own embeddings, side by side: [rows, layers * width]. */
function perLayerEmbeddings(g: GraphBuilder, [tokens, x]: readonly [Value, Value], shape: FamilyShape, width: number): Value {
  const { layers, dim, vocab } = shape;
  const own = embed(g, 'per_layer', tokens, g.weight('per_layer', [vocab, layers * width]), Math.sqrt(width));
  const projected = scale(g, 'projected', product(g, 'per_layer_projection', x, layers * width), dim ** -0.5);
  return scale(g, 'per_layer_inputs', add(g, 'per_layer_sum', norm(g, 'per_layer_norm', projected, layers), own), Math.SQRT1_2);
}

/** What all layers read. */
interface Shared {
  readonly shape: FamilyShape;
  readonly positions: Value;
  readonly table: RopeTable;
  /** Of all layers, side by side. */
  readonly own: Value | undefined;
}

function mixed(g: GraphBuilder, x: Value, { positions, table, shape: { heads, kvHeads, headDim, headNorms, valueNorm } }: Shared): Value {
  const [q, k] = ([['q', heads], ['k', kvHeads]] as const).map(([name, own]) => {
    const normed = norm(g, `${name}_norm`, product(g, name, x, own * headDim), headNorms === 'heads' ? own : 1);
    return rope(g, `${name}_rope`, normed, { heads: own, headDim, table, positions });
  }) as [Value, Value];
  const values = product(g, 'v', x, kvHeads * headDim);
  const v = valueNorm ? rmsNorm(g, 'v_norm', values, { weight: undefined, eps: 1e-6, groups: kvHeads }) : values;
  const state = g.pagedState({ heads: kvHeads, keyDim: headDim, valueDim: headDim });
  return attention(g, 'attend', [q, k, v], { positions, heads, scale: headDim ** -0.5, state });
}

function layer(g: GraphBuilder, x: Value, n: number, shared: Shared): Value {
  const { own, shape } = shared;
  const { dim, ffnDim, norms, activation } = shape;
  const before = (name: string, value: Value) => (norms === 'after' ? value : norm(g, name, value));
  const after = (name: string, value: Value) => (norms === 'before' ? value : norm(g, name, value));
  const attended = product(g, 'o', mixed(g, before('attn_norm', x), shared), dim);
  const h = add(g, 'add_attn', x, after('post_attn_norm', attended));
  const normed = before('ffn_norm', h);
  const act = gated(g, 'act', activation, [product(g, 'gate', normed, ffnDim), product(g, 'up', normed, ffnDim)]);
  const f = add(g, 'add_ffn', h, after('post_ffn_norm', product(g, 'down', act, dim)));
  if (own === undefined) return f;
  const width = shape.perLayer as number;
  const taken = columns(g, 'own', own, { start: n * width, width });
  const gatedOwn = gated(g, 'own_act', activation, [product(g, 'own_gate', f, width), taken]);
  const sum = add(g, 'add_own', f, norm(g, 'own_norm', product(g, 'own_projection', gatedOwn, dim)));
  return scale(g, 'layer_scale', sum, g.weight(g.path('layer_scale'), [1]));
}

export function familyGraph(shape: FamilyShape): Graph {
  const { layers, dim, headDim, vocab, perLayer, norms } = shape;
  return buildGraph(shape.name, (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    const positions = g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    const table = { id: 'rope', frequencies: Float64Array.from({ length: headDim / 2 }, (_, i) => 10000 ** ((-2 * i) / headDim)) };
    const isGemma = norms === 'around';
    let x = embed(g, 'embed', tokens, g.weight('embedding', [vocab, dim]), isGemma ? Math.sqrt(dim) : 1);
    const own = perLayer === undefined ? undefined : perLayerEmbeddings(g, [tokens, x], shape, perLayer);
    for (let n = 0; n < layers; n++) x = g.scope(`layers.${n}`, () => layer(g, x, n, { shape, positions, table, own }));
    const logits = product(g, 'output', norm(g, 'norm', gatherRows(g, 'last', x, outIndices)), vocab);
    g.output('logits', isGemma ? softcap(g, 'softcap', logits, 30) : logits);
  });
}
