/** Small decoders of ops beyond a plain block's: each alone, and where rules take it into others. */
import type { GraphBuilder } from '../../src/graph/graph-builder.ts';
import { buildGraph } from '../../src/graph/graph-builder.ts';
import { activation, clampedGate, gated, multiply } from '../../src/graph/ops/activation.ts';
import { add } from '../../src/graph/ops/add.ts';
import { columns } from '../../src/graph/ops/columns.ts';
import { embed } from '../../src/graph/ops/embed.ts';
import { gatherRows } from '../../src/graph/ops/gather-rows.ts';
import { layerNorm } from '../../src/graph/ops/layer-norm.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { rmsNorm } from '../../src/graph/ops/rms-norm.ts';
import { scale } from '../../src/graph/ops/scale.ts';
import { shortConvolution } from '../../src/graph/ops/short-convolution.ts';
import { softcap } from '../../src/graph/ops/softcap.ts';
import type { Graph } from '../../src/graph/graph.ts';
import type { Value } from '../../src/graph/value.ts';

const DIM = 64;
const TABLE_ROWS = 50;

type Body = (g: GraphBuilder, x: Value, tokens: Value) => Value;

const matrix = (g: GraphBuilder, name: string, x: Value, out = DIM, bias = false) =>
  linear(g, name, x, g.weight(name, [out, x.shape[1] as number]), bias ? g.weight(`${name}.bias`, [out]) : undefined);

const vector = (g: GraphBuilder, name: string, length = DIM) => g.weight(name, [length]);

/** A convolution of one value's columns, times others of them before and after. */
function betweenGates(g: GraphBuilder, x: Value): Value {
  const parts = matrix(g, 'parts', x, 3 * DIM, true);
  const part = (i: number) => columns(g, `part.${i}`, parts, { start: i * DIM, width: DIM });
  const mixed = shortConvolution(g, 'gated', multiply(g, 'product', part(0), part(2)), {
    weight: g.weight('conv.gated', [DIM, 4]), bias: vector(g, 'conv.gated.bias'), state: g.slotState({ shape: [3, DIM], dtype: 'f32' }),
  });
  return add(g, 'add', x, matrix(g, 'o', multiply(g, 'mixed', mixed, part(1))));
}

/** Rows of tables of the same tokens, added to columns of a value and to each other. */
function sumsOfEmbeddings(g: GraphBuilder, x: Value, tokens: Value): Value {
  const row = (name: string, scaled?: number) => embed(g, name, tokens, g.weight(`${name}.table`, [TABLE_ROWS, DIM]), scaled);
  const taken = columns(g, 'taken', matrix(g, 'wide', x, 3 * DIM), { start: DIM, width: DIM });
  const sum = add(g, 'first.sum', taken, row('first', 0.5));
  const normed = rmsNorm(g, 'norm', add(g, 'second.sum', row('second'), sum), { weight: vector(g, 'norm'), eps: 1e-6 });
  return add(g, 'add', sum, matrix(g, 'o', normed));
}

/** What is between the embedding and the head. */
const BODIES: Readonly<Record<string, Body>> = {
  'a norm without gains alone': (g, x) => scale(g, 'scale', rmsNorm(g, 'norm', x, { weight: undefined, eps: 1e-6 }), 0.25),
  'norms without gains of each head': (g, x) => matrix(g, 'o', rmsNorm(g, 'norm', x, { weight: undefined, eps: 1e-6, groups: 4 })),
  'a norm without gains before a product': (g, x) =>
    add(g, 'add', x, matrix(g, 'o', rmsNorm(g, 'norm', x, { weight: undefined, eps: 1e-6 }))),
  'layer norms with a bias and without': (g, x) => {
    const first = layerNorm(g, 'first', x, { weight: vector(g, 'first'), bias: vector(g, 'first.bias'), eps: 1e-12 });
    const sum = add(g, 'add', first, matrix(g, 'o', first, DIM, true));
    return matrix(g, 'p', layerNorm(g, 'second', sum, { weight: vector(g, 'second'), eps: 1e-5 }));
  },
  'factors that are numbers and weights': (g, x) => {
    const product = matrix(g, 'o', scale(g, 'by_number', x, -1.75));
    return scale(g, 'by_weight', product, vector(g, 'factor', 1));
  },
  'softcaps of rows': (g, x) => softcap(g, 'cap', scale(g, 'by', matrix(g, 'o', x), 20), 5),
  'columns of a wide value': (g, x) => {
    const wide = matrix(g, 'wide', x, 4 * DIM);
    return add(g, 'add', columns(g, 'second', wide, { start: DIM, width: DIM }), columns(g, 'odd', wide, { start: DIM + 3, width: DIM }));
  },
  'gelu after a product with a bias': (g, x) => matrix(g, 'down', activation(g, 'act', 'gelu', matrix(g, 'up', x, 96, true)), DIM, true),
  'a convolution between gates': betweenGates,
  'sums of embeddings': sumsOfEmbeddings,
  'gates with biases': (g, x) =>
    matrix(g, 'down', gated(g, 'act', 'geluTanh', [matrix(g, 'gate', x, 96, true), matrix(g, 'up', x, 96, true)])),
  'gates within bounds': (g, x) => {
    const how = { fn: 'quickGelu', clamp: { limit: 0.25, offset: 1 } } as const;
    const first = clampedGate(g, 'act', how, [matrix(g, 'gate', x, 96), matrix(g, 'up', x, 96, true)]);
    return clampedGate(g, 'alone', how, [matrix(g, 'down', first), x]);
  },
};

function graphOf(body: Body): Graph {
  return buildGraph('decoder', (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    const scaled = embed(g, 'embed', tokens, g.weight('embedding', [TABLE_ROWS, DIM]), Math.sqrt(DIM));
    // A state, so that rows are of sequences.
    const state = g.slotState({ shape: [2, DIM], dtype: 'f32' });
    const x = shortConvolution(g, 'conv', scaled, { weight: g.weight('conv', [DIM, 3]), state });
    const last = gatherRows(g, 'last', g.scope('body', () => body(g, x, tokens)), outIndices);
    const head = linear(g, 'output', rmsNorm(g, 'norm', last, { weight: undefined, eps: 1e-5 }), g.weight('output', [TABLE_ROWS, DIM]));
    g.output('logits', softcap(g, 'logits', head, 3));
  });
}

/** Each with a slot state, and one conv matrix that is of floats. */
export const MODEL_OP_GRAPHS: ReadonlyMap<string, Graph> = new Map(Object.entries(BODIES).map(([name, body]) => [name, graphOf(body)]));
