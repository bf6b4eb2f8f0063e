import { expect, test } from 'vitest';
import { promptHint } from './prompt-hint.ts';
import type { TextSide } from './prompt.ts';

const sides = {
  chat: { endIds: new Set(), encodeMessages: () => [1] } as unknown as TextSide,
  plain: { endIds: new Set() } as unknown as TextSide,
};

function hints(side: keyof typeof sides, calls: readonly object[]): readonly string[] {
  const told: string[] = [];
  const hint = promptHint(sides[side], (text) => told.push(text));
  for (const call of calls) hint(call);
  return told;
}

test('a model of chats that is given a prompt says once that messages is the usual way', () => {
  const told = hints('chat', [{ ids: [1] }, { messages: [] }, { prompt: 'a' }, { prompt: 'b' }]);
  expect(told).toEqual([expect.stringMatching(/messages: \[\{ role: 'user'.*onHint/)]);
});

test.each([
  ['plain', [{ prompt: 'a' }], 'a model without a template'],
  ['chat', [{ messages: [] }, { ids: [1] }], 'messages and ids'],
  ['chat', [{ prompt: 'a', echo: true }], 'a text whose likelihood is asked for'],
] as const)('%s, %j: nothing is said (%s)', (side, calls, _why) => expect(hints(side, calls)).toEqual([]));

test('without anybody to tell, nothing is', () => {
  promptHint(sides.chat, undefined)({ prompt: 'a' });
  expect(() => promptHint(sides.chat, 3 as never)).toThrow('onHint must be a function, found number 3');
});
