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
import { stateGroups } from '../graph/state.ts';
import { groupPageBytes, mostSlots, slotBytes } from '../graph/state-sizes.ts';
import { slotRequest } from '../../test/slot-model.ts';
import { CapacityError } from '../tensor/errors.ts';
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

describe('slots of snapshots on the CPU', () => {
  test('are as many as were asked for, beside those that sequences need', async () => {
    const executor = await openExecutor({ device: 'cpu', threads: 1 });
    for (const snapshots of [0, 3]) {
      const program = await executor.load({ ...slotRequest(), snapshots });
      const most = mostSlots(program.model, snapshots);
      const tooMany = `The states of ${most + 1} sequences do not fit beside the keys and values; ${most} do`;
      expect(() => program.ensureSlots(most + 1)).toThrow(tooMany);
      program.ensureSlots(most);
      await program.dispose();
    }
  });

  test('are no reason to refuse a model, and never take the room of pages', async () => {
    const request = slotRequest(32, { window: null });
    // Keys and values take 3 GiB, and the snapshots asked for far more than is left.
    const pageBytes = stateGroups(request.model.states).reduce((sum, group) => sum + groupPageBytes(group, request.kv), 0);
    const maxPages = Math.floor((3 * 2 ** 30) / pageBytes);
    const executor = await openExecutor({ device: 'cpu', threads: 1 });
    const program = await executor.load({ ...request, kv: { ...request.kv, maxPages }, snapshots: 2 ** 40 });
    const found = /; (\d+) do/.exec(refusalOf(() => program.ensureSlots(2 ** 40)));
    const bytes = Number(found?.[1]) * slotBytes(program.model);
    expect(bytes).toBeGreaterThan(2 ** 28);
    expect(bytes).toBeLessThan(2 ** 30);
    await program.dispose();
  });

  function refusalOf(call: () => void): string {
    try {
      call();
    } catch (error) {
      expect(error).toBeInstanceOf(CapacityError);
      return (error as Error).message;
    }
    throw new Error('it was not refused');
  }
});

describe('slots and windows', () => {
  test('on the reference, against itself', { tags: 'slow' }, async () => {
    await checkSlots(createReferenceExecutor(), 1e-6);
    await checkSlotEngine({ ...createReferenceExecutor(), prefillRows: 16 });
  });

  test.each([1, 3])('on the CPU with %i thread(s)', async (threads) => {
    const executor = await openExecutor({ device: 'cpu', threads });
    await checkSlots(executor, 5e-5);
    await checkSlotEngine({ ...executor, prefillRows: 16 });
  });
});
