/** Orders and types in which a fused step would come too early, or be rounded where its kernel cannot. */
import { it } from 'vitest';
import { decoderSteps } from '../../src/graph/decoder-steps.ts';
import { buildGraph } from '../../src/graph/graph-builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { add } from '../../src/graph/ops/add.ts';
import { attention } from '../../src/graph/ops/attention.ts';
import { embed } from '../../src/graph/ops/embed.ts';
import { gatherRows } from '../../src/graph/ops/gather-rows.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { rmsNorm } from '../../src/graph/ops/rms-norm.ts';
import { storedAttention } from '../../src/graph/ops/stored-attention.ts';
import { createReferenceExecutor } from '../../src/reference/reference-executor.ts';
import type { WeightType } from '../../src/tensor/tensor-type.ts';
import { ensureAllPages, inEveryGroup } from '../state-places.ts';
import { syntheticRequest } from '../synthetic-graph.ts';
import { expectClose, softwareExecutor, TEST_PROFILES } from './executor-check.ts';

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
  const request = syntheticRequest({ graph, typeOf });
  const isInt8 = profile === 'int8';
  const wanted = await createReferenceExecutor({ activationRounding: isInt8 ? 'int8' : 'none', roundingBlock: 16 }).load(request);
  const found = await (await softwareExecutor({ profile: TEST_PROFILES[profile] })).load(request);
  for (const program of [wanted, found]) ensureAllPages(program, 4);
  for (const [start, rows] of [[0, 1], [1, 7], [8, 1], [9, 12]] as const) {
    const tokens = Array.from({ length: rows }, (__, i) => ((start + i) * 7) % 50);
    const batch = { sequences: [{ tokens, start, pages: inEveryGroup([2, 0, 1, 3]), outputs: [rows - 1] }] };
    const [a, b] = [await decoderSteps(wanted).run(batch), await decoderSteps(found).run(batch)];
    expectClose(`${rows} rows from ${start}`, { wanted: a.logits, found: b.logits }, isInt8 ? 0.04 : 1e-4);
  }
  await Promise.all([wanted.dispose(), found.dispose()]);
});
