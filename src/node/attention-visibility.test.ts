import { describe, expect, it } from 'vitest';
import { expectVisibilityCase, loadVisibilityCase, VISIBILITY_CASES } from '../../test/visibility-cases.ts';
import { collect } from '../engine/collect.ts';
import { openExecutor } from './load-model.ts';

describe.each(['reference', 'cpu'] as const)('windows and both directions as transformers has them, on %s', (device) => {
  const threads = device === 'cpu' ? 2 : undefined;
  it.each(VISIBILITY_CASES)('%s', async (name) => expectVisibilityCase(name, await openExecutor({ device, threads })));

  it.each(['qwen3-window', 'llama-both-directions'])(
    '%s: prompts in chunks of 24 where rows see only what came before, else whole',
    async (name) => {
      await expectVisibilityCase(name, { ...(await openExecutor({ device, threads })), prefillRows: 24 });
    },
  );
});

describe('without causality', () => {
  it('no state of a prompt serves a longer one, and a lost one is computed as it was', async () => {
    const {
      model,
      wanted: { ids, greedy },
    } = await loadVisibilityCase('llama-both-directions', await openExecutor({ device: 'cpu', threads: 2 }));
    try {
      const options = { ids, temperature: 0, ignoreEos: true, maxTokens: greedy.length };
      const answer: number[] = [];
      for await (const piece of model.generate(options)) {
        answer.push(...piece.tokens);
        // Another call, long enough to take all pages away, while this reader is at its third token.
        if (answer.length === 3)
          await collect(
            model.generate({ ids: Array.from({ length: 500 }, (_, i) => ids[i % ids.length] as number), temperature: 0, maxTokens: 2 }),
          );
      }
      expect(answer).toEqual(greedy);
      const logits = await model.forward(ids.slice(0, 40), { positions: [3] });
      expect(await model.forward(ids.slice(0, 50), { positions: [3] })).not.toEqual(logits);
    } finally {
      await model.dispose();
    }
  });
});
