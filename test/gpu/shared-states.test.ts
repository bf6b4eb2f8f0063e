/** Orders and types in which a fused step would come too early, or be rounded where its kernel cannot. */
import { it } from 'vitest';
import { buildGraph } from '../../src/graph/graph-builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { add } from '../../src/graph/ops/add.ts';
import { attention } from '../../src/graph/ops/attention.ts';
import { embed } from '../../src/graph/ops/embed.ts';
import { gatherRows } from '../../src/graph/ops/gather-rows.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { rmsNorm } from '../../src/graph/ops/rms-norm.ts';
import { storedAttention } from '../../src/graph/ops/stored-attention.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';

/** A product that is made before the attention and added after the layer that shares its state. */
const graph: Graph = buildGraph('decoder', (g) => {
  const tokens = g.input('tokens', 'i32', ['rows']);
  const positions = g.input('positions', 'i32', ['rows']);
  const outIndices = g.input('outIndices', 'i32', ['outRows']);
  const product = (name: string, x: Parameters<typeof linear>[2]) => linear(g, name, x, g.weight(name, [32, 32]));
  const x = embed(g, 'embed', tokens, g.weight('embedding', [50, 32]));
  const fields = { positions, heads: 4, scale: 0.4, state: g.pagedState({ heads: 4, keyDim: 8, valueDim: 8 }) };
  const early = product('early', x);
  const h = add(g, 'h', x, attention(g, 'attend', [product('q', x), product('k', x), product('v', x)], fields));
  const normed = rmsNorm(g, 'norm', x, { weight: g.weight('norm', [32]), eps: 1e-5 });
  const shared = storedAttention(g, 'shared', product('q2', normed), fields);
  const y = add(g, 'y', h, product('down', product('up', add(g, 'late', early, shared))));
  g.output('logits', linear(g, 'output', gatherRows(g, 'last', y, outIndices), g.weight('output', [50, 32])));
});

const CASES: readonly (readonly [string, 'float' | 'int8', (id: string) => WeightType])[] = [
  ['floats', 'float', () => 'f32'],
  ['blocks', 'int8', () => 'q8_0'],
  ['a float product that a quantised one reads', 'int8', (id) => (id === 'up' || id === 'early' ? 'f16' : 'q8_0')],
];

it.each(CASES)('%s, by the profile %s', async (_, profile, typeOf) => {
  const pair = await loadPair({
    shape: graph, weights: { typeOf }, profile: TEST_PROFILES[profile], tolerance: profile === 'int8' ? 0.04 : 1e-4,
  });
  const lengths = [[0, 1], [1, 7], [8, 1], [9, 12]] as const;
  await compareRuns(pair, lengths.map(([start, rows]) => ({ sequences: [sequence(rows, { start, pages: [2, 0, 1, 3] })] })));
  await pair.dispose();
});
