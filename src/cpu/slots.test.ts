import { describe, expect, test } from 'vitest';
import { checkSlotEngine, checkSlots } from '../../test/check-slots.ts';
import { ensureAllPages, inEveryGroup } from '../../test/state-places.ts';
import { syntheticRequest } from '../../test/synthetic-graph.ts';
import { decoderSteps } from '../graph/decoder-steps.ts';
import { buildGraph } from '../graph/graph-builder.ts';
import type { Graph } from '../graph/graph.ts';
import { attention } from '../graph/ops/attention.ts';
import { embed } from '../graph/ops/embed.ts';
import { gatherRows } from '../graph/ops/gather-rows.ts';
import { linear } from '../graph/ops/linear.ts';
import { storedAttention } from '../graph/ops/stored-attention.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

/** Attention, and the same queries over what it has stored. */
function twice(window: number | undefined): Graph {
  return buildGraph('decoder', (g) => {
    const tokens = g.input('tokens', 'i32', ['rows']);
    const positions = g.input('positions', 'i32', ['rows']);
    const outIndices = g.input('outIndices', 'i32', ['outRows']);
    const x = embed(g, 'embed', tokens, g.weight('embedding', [50, 32]));
    const state = g.pagedState({ heads: 2, keyDim: 8, valueDim: 8, window });
    const product = (name: string, out: number) => linear(g, name, x, g.weight(name, [out, 32]));
    const q = product('q', 32);
    const fields = { positions, heads: 4, scale: 0.4, state };
    g.tap('own', attention(g, 'own', [q, product('k', 16), product('v', 16)], fields));
    const again = storedAttention(g, 'again', q, fields);
    g.tap('again', again);
    g.output('logits', gatherRows(g, 'logits', again, outIndices));
  });
}

describe('a layer that shares the keys and values of another', () => {
  const cases = [[undefined, 'reference'], [5, 'reference'], [undefined, 'cpu'], [5, 'cpu']] as const;
  test.each(cases)('window %s, %s', async (window, device) => {
    const request = syntheticRequest({ graph: twice(window), typeOf: () => 'f32' });
    const program = await (await openExecutor({ device })).load(request);
    ensureAllPages(program, 4);
    for (const [start, rows] of [[0, 1], [1, 12], [13, 1], [14, 9]] as const) {
      const tokens = Array.from({ length: rows }, (_, i) => ((start + i) * 7) % 50);
      const step = { tokens, start, pages: inEveryGroup([2, 0, 3, 1]), outputs: [] };
      const { taps } = await decoderSteps(program).run({ sequences: [step], taps: ['own', 'again'] });
      const own = taps.get('own') as Float32Array;
      taps.get('again')?.forEach((value, i) => expect(value).toBeCloseTo(own[i] as number, 5));
    }
    await program.dispose();
  });
});

describe('slots and windows', () => {
  test('on the reference, against itself', async () => {
    await checkSlots(createReferenceExecutor(), 1e-6);
    await checkSlotEngine({ ...createReferenceExecutor(), prefillRows: 16 });
  });

  test.each([1, 3])('on the CPU with %i thread(s)', async (threads) => {
    const executor = await openExecutor({ device: 'cpu', threads });
    await checkSlots(executor, 5e-5);
    await checkSlotEngine({ ...executor, prefillRows: 16 });
  });
});
