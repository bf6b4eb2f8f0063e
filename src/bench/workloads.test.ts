import { describe, expect, it } from 'vitest';
import type { Conversation } from './engine.ts';
import type { EngineClient } from './engine-client.ts';
import type { ModelWork } from './model-work.ts';
import type { StreamRequest } from './stream-load.ts';
import { randomIds, idsOfRun, PROTOCOL_SIZES, WORKLOAD_NAMES, WORKLOADS } from './workloads.ts';
import type { Task } from './task.ts';

const tasks = WORKLOAD_NAMES.flatMap((name) => WORKLOADS[name](PROTOCOL_SIZES, true));
const taskNamed = (name: string): Task => tasks.find((task) => task.name === name)!;
const ids = idsOfRun(3, 5000);

const expectClose = (value: number) => expect.closeTo(value, 6) as unknown as number;

/** Says what it was asked. */
function fakeEngine(): { readonly engine: EngineClient; readonly asked: unknown[][] } {
  const asked: unknown[][] = [];
  const answer = <Value>(name: string, value: Value) => async (...args: readonly unknown[]) => (asked.push([name, ...args]), value);
  const engine: EngineClient = {
    facts: { version: '1', device: 'fake', flags: {} },
    readyMs: 700,
    prefill: answer('prefill', 11),
    firstToken: answer('firstToken', 22),
    decode: answer('decode', 33),
    converse: async (conversation: Conversation) => (
      asked.push(['converse', conversation]),
      conversation.turns.map((_, turn) => turn + 1)
    ),
    // A token every 10 ms from 100 ms on, streams 1 ms apart; who comes later does so after 200 ms.
    serve: async (requests) => (
      asked.push(['serve', requests]),
      {
        hasMeanGaps: false,
        streams: requests.map(({ answerTokens, afterTokens = 0 }, stream) => {
          const askedMs = afterTokens > 0 ? 200 : 0;
          const arrivals = Array.from({ length: answerTokens + 1 }, (_, i) => ({ ms: askedMs + 100 + stream + 10 * i, tokens: 1 }));
          return { askedMs, arrivals };
        }),
      }
    ),
    peakMemoryBytes: answer('peakMemoryBytes', 5e6),
    close: async () => {},
  };
  return { engine, asked };
}

describe('workloads', () => {
  it('are those of the protocol', () => {
    expect(tasks.map(({ name, contextTokens, process }) => `${name}: ${contextTokens}, ${process}`)).toEqual([
      'prefill 128: 129, shared', 'prefill 512: 513, shared', 'prefill 2048: 2049, shared',
      'decode 128 after 128: 257, shared', 'decode 128 after 4096: 4225, shared',
      'TTFT 16: 32, shared', 'TTFT 512: 528, shared',
      'load: 32, fresh', 'load, cold driver caches: 32, fresh with cold caches',
      '15 turns: 1410, shared', '15 turns, prefix not reused: 1410, shared',
      '1 stream: 641, shared', '4 streams: 641, shared', '4 streams of mixed lengths: 1057, shared',
      '16 streams: 641, shared', '16 streams of mixed lengths: 1281, shared',
      '64 streams: 641, shared', '64 streams of mixed lengths: 1281, shared',
      '1 stream: 641, shared', '16 streams: 641, shared', '64 streams: 641, shared', '256 streams: 641, shared',
      'a prompt of 4096 beside a stream: 4113, shared',
    ]);
    expect(WORKLOADS.load(PROTOCOL_SIZES, false)).toHaveLength(1);
  });

  it('ask for what their names say', async () => {
    const { engine, asked } = fakeEngine();
    expect(await taskNamed('prefill 512').run({ engine, ids })).toEqual([11]);
    expect(await taskNamed('TTFT 16').run({ engine, ids })).toEqual([22]);
    expect(await taskNamed('decode 128 after 4096').run({ engine, ids })).toEqual([33]);
    expect(asked).toEqual([['prefill', ids(512)], ['firstToken', ids(16)], ['decode', ids(4096), 128]]);
    expect(await taskNamed('load').run({ engine, ids })).toEqual([700, 22, 722, 5]);
  });

  it('hold conversations of other words in every turn, and add up the waits', async () => {
    const { engine, asked } = fakeEngine();
    const task = taskNamed('15 turns, prefix not reused');
    const figures = await task.run({ engine, ids });
    expect(figures).toEqual([...Array.from({ length: 15 }, (_, i) => i + 1), 120]);
    expect(figures).toHaveLength(task.figures.length);
    expect(task.figures.filter(({ isShown }) => isShown).map(({ name }) => name)).toEqual([
      'TTFT of turn 2, prefix not reused', 'TTFT of turn 15, prefix not reused', 'TTFT of all 15 turns, prefix not reused',
    ]);
    const { turns, answerTokens, reusesPrefix } = asked[0]![1] as Conversation;
    expect([turns.length, answerTokens, reusesPrefix]).toEqual([15, 64, false]);
    expect(new Set(turns.map((turn) => turn.join()))).toHaveProperty('size', 15);
    expect(turns.every((turn) => turn.length === 30)).toBe(true);
  });

  it('serve as many prompts as their names say, all different, and tell rates, waits and gaps', async () => {
    const { engine, asked } = fakeEngine();
    const task = taskNamed('16 streams');
    const figures = await task.run({ engine, ids });
    expect(task.figures.map(({ name }) => name)).toEqual([
      '16 streams, answers', '16 streams, decode', '16 streams, first token p50', '16 streams, first token p99', '16 streams, gap p50',
      '16 streams, gap p99',
    ]);
    // Each has 128 tokens after its first; the last begins at 115 ms, and the first ends at 1,380: between them six streams give 127.
    const between = 10 * 126 + 6 * 127;
    expect(figures).toEqual([(1000 * 16 * 128) / 1395, (1000 * between) / (1380 - 115), 107, 115, 10, 10].map(expectClose));
    const [requests] = asked[0]!.slice(1) as [StreamRequest[]];
    expect(requests.map(({ ids: prompt, answerTokens }) => `${prompt.length}/${answerTokens}`)).toEqual(Array(16).fill('512/128'));
    expect(new Set(requests.map(({ ids: prompt }) => prompt.join()))).toHaveProperty('size', 16);
  });

  it('mix lengths so that prompts meet answers of all kinds', async () => {
    const { engine, asked } = fakeEngine();
    await taskNamed('16 streams of mixed lengths').run({ engine, ids });
    const [requests] = asked[0]!.slice(1) as [StreamRequest[]];
    const pairs = requests.map(({ ids: prompt, answerTokens }) => `${prompt.length}/${answerTokens}`);
    expect(new Set(pairs)).toHaveProperty('size', 16);
    expect(pairs.slice(0, 4)).toEqual(['64/128', '1024/32', '512/256', '256/64']);
  });

  it('interrupt a stream by a long prompt, and tell its longest waits', async () => {
    const { engine, asked } = fakeEngine();
    const task = taskNamed('a prompt of 4096 beside a stream');
    expect(await task.run({ engine, ids })).toEqual([10, 10, 101]);
    const [requests] = asked[0]!.slice(1) as [StreamRequest[]];
    expect(requests.map(({ ids: prompt, ...rest }) => [prompt.length, rest])).toEqual([
      [512, { answerTokens: 256 }], [4096, { answerTokens: 16, afterTokens: 32 }],
    ]);
  });

  it('count what a token moves and multiplies', () => {
    const model = { weightBytes: 1000, kvBytes: 10, rowMultiplyAdds: 500, headMultiplyAdds: 64, keyMultiplyAdds: 2 } as ModelWork;
    expect(taskNamed('decode 128 after 128').figures[0]!.work!(model)).toEqual({ kind: 'bytes per token', count: 1000 + (128 + 64) * 10 });
    expect(taskNamed('prefill 128').figures[0]!.work!(model)).toEqual({ kind: 'multiply-adds per token', count: 500 + 64 / 128 + 129 });
  });
});

describe('randomIds', () => {
  it('repeats by seed and stays inside any vocabulary', () => {
    for (const vocabSize of [8, 300, 5000, 151_936]) {
      const some = randomIds(2000, { seed: 1, vocabSize });
      expect(Math.min(...some)).toBeGreaterThanOrEqual(Math.min(1000, vocabSize >> 3));
      expect(Math.max(...some)).toBeLessThan(vocabSize);
      expect(randomIds(2000, { seed: 1, vocabSize })).toEqual(some);
      if (vocabSize > 100) expect(randomIds(50, { seed: 2, vocabSize })).not.toEqual(some.slice(0, 50));
    }
  });
});
