import { it } from 'vitest';
import { buildGraph } from '../../src/graph/graph-builder.ts';
import { embed } from '../../src/graph/ops/embed.ts';
import { gatherRows } from '../../src/graph/ops/gather-rows.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { shortConvolution } from '../../src/graph/ops/short-convolution.ts';
import { compareRuns, loadPair, sequence, TEST_PROFILES } from './executor-check.ts';

it('a decoder that ends in the rows of a value, not in a product with them, has those also for a single row', async () => {
  const graph = buildGraph('decoder', (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    const rows = embed(g, 'embed', tokens, g.weight('embedding', [50, 32]));
    // No step reads the positions either.
    const state = g.slotState({ shape: [2, 32], dtype: 'f32' });
    const x = shortConvolution(g, 'conv', rows, { weight: g.weight('conv', [32, 3]), state });
    g.output('logits', gatherRows(g, 'last', linear(g, 'q', x, g.weight('q', [50, 32])), outIndices));
  });
  const pair = await loadPair({ shape: graph, weights: { typeOf: () => 'f32' }, profile: TEST_PROFILES.float, tolerance: 1e-5 });
  for (const program of [pair.wanted, pair.found]) program.ensureSlots(2);
  const batches = [1, 3, 1].map((rows, seed) => ({ sequences: [{ ...sequence(rows, { seed }), slots: { read: 0, write: 1 } }] }));
  await compareRuns(pair, batches);
  await pair.dispose();
});
