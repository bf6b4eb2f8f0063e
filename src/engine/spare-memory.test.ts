import { expect, it } from 'vitest';
import { fakeModels } from '../../test/fake-model.ts';
import { groupPageBytes } from '../graph/state-sizes.ts';
import { nextPagedState } from '../graph/state.ts';
import { collect } from './collect.ts';

const models = fakeModels();
/** The fake model's: one head of 4 in f32, 64 positions a page. */
const pageBytes = groupPageBytes(
  { window: undefined, states: [nextPagedState([], { heads: 1, keyDim: 4, valueDim: 4 })] } as never, { type: 'f32', pageTokens: 64 });
const prompt = 'a'.repeat(100);
const ask = (letter: string) => ({ prompt: letter + prompt, maxTokens: 4, temperature: 0, ignoreEos: true, cachePrompt: false });

it('answers take as many pages as may be had, and more when others have left', async () => {
  let spare = 2 * pageBytes;
  const { model, log } = await models.load({
    contextLength: 256, memoryBudget: 100 * pageBytes, maxConcurrent: 4, spareMemory: () => spare - log.pages * pageBytes,
  });
  const both = () => Promise.all(['b', 'c'].map((letter) => collect(model.generate(ask(letter)))));
  // One at a time has two pages.
  const first = await both();
  expect(first.map(({ usage }) => usage.completionTokens)).toEqual([4, 4]);
  expect(log.pages).toBe(2);
  spare = 4 * pageBytes;
  expect((await both()).map(({ text }) => text)).toEqual(first.map(({ text }) => text));
  expect(log.pages).toBe(4);
});

it('an answer that has no page at all is refused', async () => {
  const { model } = await models.load({ contextLength: 256, spareMemory: () => pageBytes - 1 });
  await expect(collect(model.generate(ask('d')))).rejects.toThrow(/no room beside the other models/);
});
