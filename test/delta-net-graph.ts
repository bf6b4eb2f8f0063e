/** A small decoder with one layer of the gated delta rule, as families write it, but for the rates: a bias's, small, of both signs. */
import { buildGraph } from '../src/graph/graph-builder.ts';
import type { GraphBuilder } from '../src/graph/graph-builder.ts';
import type { Graph } from '../src/graph/graph.ts';
import { activation, gated } from '../src/graph/ops/activation.ts';
import { deltaRule } from '../src/graph/ops/delta-rule.ts';
import { embed } from '../src/graph/ops/embed.ts';
import { gatherRows } from '../src/graph/ops/gather-rows.ts';
import { linear } from '../src/graph/ops/linear.ts';
import { rmsNorm } from '../src/graph/ops/rms-norm.ts';
import { shortConvolution } from '../src/graph/ops/short-convolution.ts';
import type { Value } from '../src/graph/value.ts';

const DIM = 64;
const [KEY_HEADS, VALUE_HEADS, KEY_DIM, VALUE_DIM] = [2, 6, 12, 16];
const CHANNELS = 2 * KEY_HEADS * KEY_DIM + VALUE_HEADS * VALUE_DIM;

const product = (g: GraphBuilder, name: string, x: Value, out: number) =>
  linear(g, name, x, g.weight(name, [out, x.shape[1] as number]));

function deltaNet(g: GraphBuilder, x: Value): Value {
  const convolved = shortConvolution(g, 'convolution', product(g, 'qkv', x, CHANNELS), {
    weight: g.weight('convolution', [CHANNELS, 4]), state: g.slotState({ shape: [3, CHANNELS], dtype: 'f32' }),
  });
  const gates = [product(g, 'a', x, VALUE_HEADS), product(g, 'b', x, VALUE_HEADS)] as const;
  const y = deltaRule(g, 'rule', [activation(g, 'act', 'silu', convolved), ...gates], {
    decay: g.weight('decay.bias', [VALUE_HEADS]), dtBias: g.weight('dt.bias', [VALUE_HEADS]), keyHeads: KEY_HEADS, valueHeads: VALUE_HEADS,
    keyDim: KEY_DIM, valueDim: VALUE_DIM, keyHeadMap: 'tiled',
    state: g.slotState({ shape: [VALUE_HEADS, VALUE_DIM, KEY_DIM], dtype: 'f32' }),
  });
  const normed = rmsNorm(g, 'y_norm', y, { weight: g.weight('y_norm', [VALUE_DIM]), eps: 1e-6, groups: VALUE_HEADS });
  return product(g, 'o', gated(g, 'gated', 'silu', [product(g, 'z', x, VALUE_HEADS * VALUE_DIM), normed]), DIM);
}

export const DELTA_NET_GRAPH: Graph = buildGraph('decoder', (g) => {
  const tokens = g.input('tokens', 'i32', ['rows']);
  g.input('positions', 'i32', ['rows']);
  const outIndices = g.input('outIndices', 'i32', ['outRows']);
  const x = embed(g, 'embed', tokens, g.weight('embedding', [50, DIM]), Math.sqrt(DIM));
  const last = gatherRows(g, 'last', g.scope('delta', () => deltaNet(g, x)), outIndices);
  const head = linear(g, 'output', rmsNorm(g, 'norm', last, { weight: undefined, eps: 1e-5 }), g.weight('output', [50, DIM]));
  g.output('logits', head);
});
