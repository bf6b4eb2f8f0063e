import { expect, it } from 'vitest';
import { decoderSteps } from '../../src/graph/decoder-steps.ts';
import { buildGraph } from '../../src/graph/graph-builder.ts';
import { embed } from '../../src/graph/ops/embed.ts';
import { gatherRows } from '../../src/graph/ops/gather-rows.ts';
import { linear } from '../../src/graph/ops/linear.ts';
import { shortConvolution } from '../../src/graph/ops/short-convolution.ts';
import { createReferenceExecutor } from '../../src/reference/reference-executor.ts';
import { syntheticRequest } from '../synthetic-graph.ts';
import { softwareExecutor, TEST_PROFILES } from './executor-check.ts';

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
  const request = syntheticRequest({ graph, typeOf: () => 'f32' });
  const wanted = await createReferenceExecutor().load(request);
  const found = await (await softwareExecutor({ profile: TEST_PROFILES.float })).load(request);
  for (const program of [wanted, found]) program.ensureSlots(2);
  for (const tokens of [[3], [7, 8, 9], [4]]) {
    const batch = { sequences: [{ tokens, start: 0, pages: [], slots: { read: 0, write: 1 }, outputs: [tokens.length - 1] }] };
    const [a, b] = [await decoderSteps(wanted).run(batch), await decoderSteps(found).run(batch)];
    a.logits.forEach((value, i) => expect(b.logits[i]).toBeCloseTo(value, 4));
  }
  await Promise.all([wanted.dispose(), found.dispose()]);
});
