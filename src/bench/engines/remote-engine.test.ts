/** Figures of an engine that is asked, by times that are given: what real servers send is in openai-engine.test.ts. */
import { describe, expect, it } from 'vitest';
import type { Arrival } from '../stream-load.ts';
import type { RemoteAnswer, RemoteClient } from './remote-client.ts';
import { openRemote } from './remote-engine.ts';

/** Pieces, as milliseconds from the request and tokens. */
const piecesOf = (...pieces: readonly (readonly [ms: number, tokens: number])[]): Arrival[] =>
  pieces.map(([ms, tokens]) => ({ ms, tokens }));

/** An answer of those pieces, to a prompt of 50 tokens. */
function answerOf(arrivals: readonly Arrival[], more: Partial<RemoteAnswer> = {}): RemoteAnswer {
  const tokens = arrivals.reduce((sum, piece) => sum + piece.tokens, 0);
  return { text: '', tokens, promptTokens: 50, cachedTokens: 10, arrivals, hasEnded: false, ...more };
}

/** Answers everything alike, and keeps what it was asked. */
function clientOf(answer: RemoteAnswer): { readonly client: RemoteClient; readonly asked: unknown[] } {
  const asked: unknown[] = [];
  let count = 0;
  const client: RemoteClient = {
    facts: { version: '1', device: 'x', flags: {} },
    complete: async (ids, maxTokens) => (asked.push([ids, maxTokens]), answer),
    chat: async (messages) => (asked.push(messages.map(({ content }) => content)), answer),
    words: (ids) => ids.map((id) => `w${id}`).join(' '),
    next: () => ++count,
  };
  return { client, asked };
}

describe('an engine that is asked', () => {
  const even = answerOf(piecesOf([100, 2], [110, 2], [120, 2], [130, 2]));

  it('decodes as many tokens a second as came after the first piece', async () => {
    const { client, asked } = clientOf(even);
    // 6 tokens in 30 ms.
    expect(await openRemote(client).decode!([1, 2, 3], 7)).toBe(200);
    expect(asked).toEqual([[[3, 2, 1], 8], [[1, 2, 3], 8]]);
    const own = { ...even, decodeMs: 59 };
    expect(await openRemote(clientOf(own).client).decode!([1], 7)).toBe(200);
  });

  it('takes no rate of pieces that came late and together, nor of an answer that ended early', async () => {
    const decode = (answer: RemoteAnswer, count: number) => openRemote(clientOf(answer).client).decode!([1], count);
    const late = answerOf(piecesOf([400, 4], [401, 5]), { decodeMs: 196.647 });
    await expect(decode(late, 8)).rejects.toThrow('pieces of 197 ms came within 1: this machine is too busy');
    for (const pieces of [piecesOf([400, 9]), piecesOf([400, 4], [400, 5])]) {
      await expect(decode(answerOf(pieces), 8)).rejects.toThrow('the whole answer came at once');
    }
    await expect(decode(even, 100)).rejects.toThrow('ended its answer after 8 of 101 tokens');
  });

  it('reads a prompt in the time to its first piece, without what a cache had', async () => {
    const { client } = clientOf(even);
    expect(await openRemote(client).prefill!([1, 2])).toBe(400);
    expect(await openRemote(client).firstToken!([1, 2])).toBe(100);
  });

  it('tells of turns and of forms, also where all came at once', async () => {
    const { client, asked } = clientOf(even);
    const engine = openRemote(client);
    const turn = { firstMs: 100, tokensPerSecond: 200 };
    expect(await engine.converse!({ turns: [[7], [8]], answerTokens: 8, reusesPrefix: true })).toEqual([turn, turn]);
    // Both begin alike; where no prefix is to be found, each begins otherwise.
    expect(asked).toEqual([['w1 w7'], ['w1 w7', '', 'w8']]);
    expect(await engine.converse!({ turns: [[7], [8]], answerTokens: 8, reusesPrefix: false })).toHaveLength(2);
    expect(asked.slice(2)).toEqual([['w3 w7 w7'], ['w4 w8 w7', '', 'w8']]);
    expect(await engine.answerInForm!({ ids: [1], schema: undefined, maxTokens: 8 })).toEqual(
      { text: '', tokens: 8, firstMs: 100, allMs: 130, hasEnded: false },
    );
    const once = openRemote(clientOf(answerOf(piecesOf([400, 9]))).client);
    expect(await once.converse!({ turns: [[7]], answerTokens: 9, reusesPrefix: true })).toEqual(
      [{ firstMs: 400, tokensPerSecond: undefined }],
    );
  });

  it('serves requests twice and counts the second time, of answers that are long enough', async () => {
    const { client, asked } = clientOf(even);
    const requests = [{ ids: [1], answerTokens: 7 }, { ids: [2], answerTokens: 7 }];
    const { streams } = await openRemote(client).serve!(requests);
    expect(asked).toEqual([[[1], 8], [[2], 8], [[1], 8], [[2], 8]]);
    for (const { askedMs, arrivals } of streams) expect(arrivals.map(({ ms }) => ms - askedMs)).toEqual(
      [100, 110, 120, 130].map((ms) => expect.closeTo(ms, 6)),
    );
    const wanted = openRemote(client).serve!([{ ids: [1], answerTokens: 99 }]);
    await expect(wanted).rejects.toThrow('ended its answer after 8 of 100 tokens');
  });
});
