/** Chats of files: what was exported comes back, and what nobody exported is refused with the field that is wrong. */
import { describe, expect, it } from 'vitest';
import { messagesOf } from '../../app/state/messages.ts';
import { shownTurns } from '../../app/state/conversation.ts';
import type { Conversation, Turn } from '../../app/state/conversation.ts';
import { readChats } from '../../app/state/read-chats.ts';

const SETTINGS = { system: 'Be kind.', sampling: { temperature: 0.5, stop: ['x'], thinks: false }, tools: '' };
const question = { id: 'a', role: 'user', text: 'Hello', createdAt: 1, state: 'done' };
const answer = { id: 'b', parent: 'a', role: 'assistant', text: 'Hi', createdAt: 2, state: 'writing' };
const chat = {
  id: 'c',
  title: 'T',
  isNamed: false,
  createdAt: 1,
  updatedAt: 2,
  settings: SETTINGS,
  turns: { a: question, b: answer },
  chosen: { root: 'a', a: 'b' },
};
const fileOf = (...conversations: object[]) => JSON.stringify({ format: 'ingot-chats', version: 1, conversations });

describe('readChats', () => {
  it('reads what was exported, of known fields alone', () => {
    const figures = { model: 'm', firstMs: 1, totalMs: 2, usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 2 } };
    const attachments = [{ kind: 'text', name: 'n', data: 'data:text/plain;base64,aGk=', more: 1 }];
    const [read] = readChats(
      fileOf({ ...chat, evil: 1, turns: { a: { ...question, attachments }, b: { ...answer, figures, evil: 1 } } }),
    );
    expect(shownTurns(read!).map(({ text, state }) => [text, state])).toEqual([
      ['Hello', 'done'],
      ['Hi', 'stopped'],
    ]);
    expect(read!.settings).toEqual(SETTINGS);
    expect(read!.turns['b']!.figures).toMatchObject(figures);
    expect(read!.turns['a']!.attachments![0]!.blob.size).toBe(2);
    expect(JSON.stringify(read)).not.toMatch(/evil|more/);
  });

  it.each<[object, RegExp]>([
    [{ chosen: { root: 'a', a: 'a' } }, /chosen\.a must be a turn that follows it/],
    [{ chosen: { root: 'b' } }, /chosen\.root/],
    [{ turns: { a: { ...question, parent: 'b' }, b: answer } }, /the parent of [ab] must be a turn before it/],
    [{ turns: { b: answer }, chosen: {} }, /the parent of b must be a turn of the chat/],
    [{ turns: { z: question }, chosen: {} }, /turns\.z\.id/],
    [{ settings: {} }, /settings\.sampling must be an object/],
    [{ settings: { ...SETTINGS, sampling: { topP: '1' } } }, /sampling\.topP must be a number/],
    [
      { turns: { a: { ...question, attachments: [{ kind: 'text', name: 'n', data: 'data:;base64,%' }] } }, chosen: {} },
      /attachments\[0\]\.data/,
    ],
    [{ turns: { a: { ...question, toolCalls: {} } }, chosen: {} }, /toolCalls must be a list/],
    [{ updatedAt: null }, /updatedAt must be a number/],
    [{ id: '__proto__' }, /\.id must be an id/],
  ])('refuses %j', (change, words) => {
    expect(() => readChats(fileOf(chat, { ...chat, ...change }))).toThrow(words);
  });

  it('refuses other files', () => {
    for (const text of ['', 'null', '[]', '{}', '{"format": "ingot-chats"}']) expect(() => readChats(text)).toThrow();
  });
});

it('walks of records that lead back to themselves have an end', async () => {
  const turns = { a: { ...question, parent: 'b' }, b: answer } as unknown as Record<string, Turn>;
  const looped = { ...chat, turns, chosen: { root: 'a', a: 'b', b: 'a' } } as unknown as Conversation;
  expect(shownTurns(looped)).toHaveLength(2);
  expect(await messagesOf(looped, turns['b']!)).toHaveLength(3);
});
