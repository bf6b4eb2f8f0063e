import { describe, expect, it, vi } from 'vitest';
import type { Conversation, StructuredRequest } from './engine.ts';
import type { EngineClient } from './engine-client.ts';
import type { ModelWork } from './model-work.ts';
import type { StreamRequest } from './stream-load.ts';
import { randomIds, idsOfRun, PROTOCOL_SIZES, WORKLOAD_NAMES, WORKLOADS } from './workloads.ts';
import type { Task } from './task.ts';

const tasks = WORKLOAD_NAMES.flatMap((name) => WORKLOADS[name]({ sizes: PROTOCOL_SIZES, isGpu: true, threads: 1, files: {} }));
const taskNamed = (name: string): Task => tasks.find((task) => task.name === name)!;
const ids = idsOfRun(3, 5000);
const { signal } = new AbortController();

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
      conversation.turns.map((_, turn) => ({ firstMs: turn + 1, tokensPerSecond: 50 + turn }))
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
    memory: answer('memory', { peakBytes: 5e6, residentBytes: 4e6 }),
    answerInForm: async (request) => (
      asked.push(['answerInForm', request]),
      { text: '{"kind": "beta", "isReady": true}', tokens: 11, firstMs: 100, allMs: 300, hasEnded: true }
    ),
    quality: answer('quality', {
      perplexity: 9, divergence: 0.5, agreement: 0.75, scored: { text: 'abc', scoredTokens: 99, windowTokens: 100 },
    }),
    tasks: answer('tasks', { share: 0.6, asked: 12, file: 'def' }),
    tower: answer('tower', 5),
    see: answer('see', { firstMs: 50, tokensPerSecond: 20 }),
    hear: answer('hear', { ms: 500, seconds: 10 }),
    speak: answer('speak', { firstMs: 100, ms: 500, seconds: 5 }),
    close: async () => {},
  };
  return { engine, asked };
}

describe('workloads', () => {
  it('are those of the protocol', () => {
    const told = tasks.map(({ name, contextTokens, process }) => `${name}: ${contextTokens}, ${process}`);
    expect(told.map((text) => text.replace(/\d+ cores? busy/, 'N cores busy'))).toEqual([
      'prefill 128: 129, shared', 'prefill 512: 513, shared', 'prefill 2048: 2049, shared',
      'decode 128 after 128: 257, shared', 'decode 128 after 4096: 4225, shared',
      'TTFT 16: 32, shared', 'TTFT 512: 528, shared',
      'load: 32, fresh', 'load, cold driver caches: 32, fresh with cold caches',
      '15 turns: 1410, shared', '15 turns, prefix not reused: 1410, shared',
      'drift over 600 s: 1410, shared',
      'decode 128 after 128, N cores busy: 257, shared', 'decode 128 after 128, GPU busy: 257, shared',
      '1 stream: 641, shared', '4 streams: 641, shared', '4 streams of mixed lengths: 1057, shared',
      '16 streams: 641, shared', '16 streams of mixed lengths: 1281, shared',
      '64 streams: 641, shared', '64 streams of mixed lengths: 1281, shared',
      '1 stream: 641, shared', '16 streams: 641, shared', '64 streams: 641, shared', '256 streams: 641, shared',
      'a prompt of 4096 beside a stream: 4113, shared',
      'answers in a form: 576, shared', 'quality: 2, shared', '100 tasks: 2, shared',
      ...['', ', tower'].toReversed().flatMap((what) => PROTOCOL_SIZES.pictures.map((size) => `picture of ${size}${what}: 2, shared`)),
      'a recording heard: 0, shared', 'two sentences spoken: 0, shared',
    ]);
    expect(tasks.flatMap(({ name, lacks }) => (lacks === undefined ? [] : `${name}: ${lacks}`))).toEqual([
      'quality: a text ("text")', '100 tasks: a file of tasks ("tasks")', 'a recording heard: a recording ("sound")',
    ]);
    expect(WORKLOADS.load({ sizes: PROTOCOL_SIZES, isGpu: false, files: {} })).toHaveLength(1);
  });

  it('ask for what their names say', async () => {
    const { engine, asked } = fakeEngine();
    expect(await taskNamed('prefill 512').run({ engine, ids, signal })).toEqual([11]);
    expect(await taskNamed('TTFT 16').run({ engine, ids, signal })).toEqual([22]);
    expect(await taskNamed('decode 128 after 4096').run({ engine, ids, signal })).toEqual([33]);
    expect(asked).toEqual([['prefill', ids(512)], ['firstToken', ids(16)], ['decode', ids(4096), 128]]);
    expect(await taskNamed('load').run({ engine, ids, signal })).toEqual([700, 22, 722, 5]);
  });

  it('hold conversations of other words in every turn, and add up the waits', async () => {
    const { engine, asked } = fakeEngine();
    const task = taskNamed('15 turns, prefix not reused');
    const figures = await task.run({ engine, ids, signal });
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
    const figures = await task.run({ engine, ids, signal });
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
    await taskNamed('16 streams of mixed lengths').run({ engine, ids, signal });
    const [requests] = asked[0]!.slice(1) as [StreamRequest[]];
    const pairs = requests.map(({ ids: prompt, answerTokens }) => `${prompt.length}/${answerTokens}`);
    expect(new Set(pairs)).toHaveProperty('size', 16);
    expect(pairs.slice(0, 4)).toEqual(['64/128', '1024/32', '512/256', '256/64']);
  });

  it('interrupt a stream by a long prompt, and tell its longest waits', async () => {
    const { engine, asked } = fakeEngine();
    const task = taskNamed('a prompt of 4096 beside a stream');
    expect(await task.run({ engine, ids, signal })).toEqual([10, 10, 101]);
    const [requests] = asked[0]!.slice(1) as [StreamRequest[]];
    expect(requests.map(({ ids: prompt, ...rest }) => [prompt.length, rest])).toEqual([
      [512, { answerTokens: 256 }], [4096, { answerTokens: 16, afterTokens: 32 }],
    ]);
  });

  it('talk until the time of a sample is over, and tell each sample apart', async () => {
    const { engine, asked } = fakeEngine();
    const sizes = { ...PROTOCOL_SIZES, turns: 3, driftSeconds: 0.04, driftSample: 0.02 };
    // By a clock that the conversations move: two in each sample.
    let clockMs = 5000;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => clockMs);
    const slow = { ...engine, converse: async (conversation: Conversation) => ((clockMs += 12), engine.converse(conversation)) };
    const [task] = WORKLOADS.drift({ sizes, isGpu: false, files: {} });
    const figures = await task!.run({ engine: slow, ids, signal }).finally(() => clock.mockRestore());
    expect(task!.figures.map(({ name }) => name)).toEqual(
      [0.02, 0.04].flatMap((end) => ['decode', 'first token', 'memory'].map((what) => `drift at ${end} s, ${what}`)),
    );
    expect(figures).toEqual([51, 2, 4, 51, 2, 4]);
    const talks = asked.filter(([name]) => name === 'converse').map(([, talk]) => (talk as Conversation).turns.map((turn) => turn.join()));
    expect(talks).toHaveLength(4);
    // No turn is one that was said before.
    expect(new Set(talks.flat()).size).toBe(3 * talks.length);
  });

  it('set answers in a form beside free ones, and see whether they are as they were to be', async () => {
    const { engine, asked } = fakeEngine();
    const task = taskNamed('answers in a form');
    expect(await task.run({ engine, ids, signal })).toEqual([50, 50, 100, 100]);
    expect(asked.map(([, request]) => (request as StructuredRequest).schema === undefined)).toEqual([false, true, false]);
    for (const text of ['{"kind": "delta", "isReady": true}', '{"kind": "beta"']) {
      const wrong = { ...engine, answerInForm: async () => ({ text, tokens: 2, firstMs: 1, allMs: 2, hasEnded: true }) };
      expect((await task.run({ engine: wrong, ids, signal })).at(-1)).toBe(0);
    }
  });

  it('tell of quality, tasks, pictures and sound in their units', async () => {
    const { engine } = fakeEngine();
    const files = { text: 'a.txt', tasks: 'b.jsonl', sound: 'c.wav', reference: 'm-f16.gguf' };
    const names = ['quality', 'tasks', 'pictures', 'hearing', 'speaking'] as const;
    const sizes = { ...PROTOCOL_SIZES, pictures: ['224'] as const };
    const found = names.flatMap((name) => WORKLOADS[name]({ sizes, isGpu: false, files }));
    const said: object[] = [];
    const figures = await Promise.all(found.map((task) => task.run({ engine, ids, signal, told: (flags) => said.push(flags) })));
    expect(figures).toEqual([[9, 0.5, 75], [60], [5], [50, 20], [500, 20], [100, 10]]);
    // Of what, a record has to say too.
    expect(said).toEqual([
      { text: 'abc', scoredTokens: 99, windowTokens: 100, reference: 'm-f16.gguf' }, { tasks: 'def', asked: 12 },
    ]);
    const units = found.flatMap((task) => task.figures.map(({ unit }) => unit));
    expect(units.join()).toBe('perplexity,nats,%,%,ms,ms,tok/s,ms,x real time,ms,x real time');
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
