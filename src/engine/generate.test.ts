import { afterEach, describe, expect, it, vi } from 'vitest';
import { FAKE_BOS, FAKE_END, FAKE_VOCAB, fakeGreedy, fakeLogits, fakeTokenizer, fakeModels, loadFakeModel } from '../../test/fake-model.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import type { FinalPiece, GenerateOptions, Piece } from './api.ts';
import { collect } from './collect.ts';
import { createCandidates } from './candidates.ts';
import { createSampler, logprobsOf } from './sampler.ts';
import { resolveSampling } from './sampling-settings.ts';

const { load } = fakeModels();
afterEach(() => void vi.restoreAllMocks());

/** Makes token 'n' of `says` the likeliest after a prompt of `length` ids plus n. */
const says = (length: number, tokens: readonly number[]) => (logits: Float32Array, ids: readonly number[]) => {
  const next = tokens[ids.length - length];
  if (next !== undefined) logits[next] = 50;
};

const bytes = (text: string) => [...new TextEncoder().encode(text)];

describe('generate', () => {
  it('gives the greedy tokens of the model, over pages and prefill chunks', async () => {
    const { model, log } = await load();
    const ids = Array.from({ length: 600 }, (_, i) => (i * 7) % 250);
    const answer = await collect(model.generate({ ids, maxTokens: 100, temperature: 0 }));
    expect(answer.tokens).toEqual(fakeGreedy(ids, 100));
    expect(answer.finishReason).toBe('length');
    expect(answer.usage).toEqual({ promptTokens: 600, cachedTokens: 0, completionTokens: 100 });
    expect(log.steps.slice(0, 4)).toEqual([
      { start: 0, count: 256 },
      { start: 256, count: 256 },
      { start: 512, count: 88 },
      { start: 600, count: 1 },
    ]);
    expect(log.steps).toHaveLength(3 + 99);
    expect(log.pages).toBe(Math.ceil(699 / 64));
  });

  it('reports figures', async () => {
    const { model } = await load({ stepMs: 1 });
    const seen: number[] = [];
    const ids = new Array<number>(300).fill(3);
    const answer = await collect(
      model.generate({
        ids,
        maxTokens: 5,
        onProgress: ({ phase, loaded, total }) => seen.push(loaded) && expect([phase, total]).toEqual(['prefill', 300]),
      }),
    );
    expect(seen).toEqual([0, 256, 300]);
    const { timings } = answer;
    expect(timings.ttftMs).toBeGreaterThanOrEqual(timings.prefillMs);
    expect(timings.prefillTokensPerSecond).toBeCloseTo((300 / timings.prefillMs) * 1000, 3);
    expect(timings.decodeTokensPerSecond).toBeCloseTo((4 / timings.decodeMs) * 1000, 3);
  });

  it('puts the beginning token before a prompt, and nothing else', async () => {
    const { model } = await load();
    const answer = await collect(model.generate({ prompt: 'Hi', maxTokens: 3, temperature: 0 }));
    expect(answer.tokens).toEqual(fakeGreedy([FAKE_BOS, ...bytes('Hi')], 3));
  });

  it('passes tools and template variables to the template', async () => {
    const { model } = await load();
    const messages = [{ role: 'user', content: 'x' }];
    const head = JSON.stringify({ tools: [{ name: 'f' }], variables: { style: 'short', enable_thinking: false } });
    const ids = [FAKE_BOS, ...bytes(head), ...bytes('user:x'), FAKE_END, ...bytes('assistant:')];
    const options = {
      messages,
      tools: [{ name: 'f' }],
      templateVariables: { style: 'short' },
      reasoning: false,
      maxTokens: 4,
      temperature: 0,
    };
    expect((await collect(model.generate(options))).tokens).toEqual(fakeGreedy(ids, 4));
  });

  it('is reproducible by seed, and the seed that it drew can be used again', async () => {
    const { model } = await load();
    const run = (seed?: number) => collect(model.generate({ prompt: 'Once', maxTokens: 30, seed }));
    const first = await run(5);
    expect((await run(5)).tokens).toEqual(first.tokens);
    expect((await run(6)).tokens).not.toEqual(first.tokens);
    const drawn = await run();
    expect((await run(drawn.seed)).tokens).toEqual(drawn.tokens);
  });

  it("draws by the count of the answer's own tokens", async () => {
    const { model } = await load();
    const answer = await collect(model.generate({ ids: [4, 5, 6], maxTokens: 8, seed: 12, temperature: 1.3, topK: 0 }));
    const ids = [4, 5, 6];
    const sampler = createSampler({
      settings: resolveSampling({ seed: 12, temperature: 1.3 }),
      promptIds: ids,
      candidates: createCandidates(FAKE_VOCAB),
    });
    for (let i = 0; i < 8; i++) ids.push(sampler.sample(fakeLogits(ids)));
    expect(answer.tokens).toEqual(ids.slice(3));
  });

  it('gives its memory back', async () => {
    const { model, log } = await load();
    for (let i = 0; i < 3; i++) await collect(model.generate({ ids: new Array<number>(150).fill(i), maxTokens: 20, temperature: 0 }));
    // Two full pages of each stay for who begins alike, the third is used again.
    expect(log.pages).toBe(2 + 2 + 3);
    await collect(model.generate({ ids: new Array<number>(800).fill(9), maxTokens: 200, temperature: 0 }));
    expect(log.pages).toBe(16);
  });

  it('ends with an end token, which is counted and has no text', async () => {
    const prompt = [1, 2, 3];
    const { model } = await load({ adjust: says(3, [...bytes('ok'), FAKE_END]) });
    const pieces: Piece[] = [];
    for await (const piece of model.generate({ ids: prompt, temperature: 0 })) pieces.push(piece);
    expect(pieces.map(({ text, tokens }) => ({ text, tokens }))).toEqual([
      { text: 'o', tokens: [111] },
      { text: 'k', tokens: [107] },
      { text: '', tokens: [FAKE_END] },
    ]);
    expect(pieces.at(-1)).toMatchObject({ finishReason: 'stop', stopText: undefined, usage: { completionTokens: 3 } });
    const longer = await collect(model.generate({ ids: prompt, temperature: 0, ignoreEos: true, maxTokens: 6 }));
    expect(longer).toMatchObject({ finishReason: 'length', usage: { completionTokens: 6 } });
    expect(longer.tokens.slice(0, 3)).toEqual([111, 107, FAKE_END]);
  });

  it('stops at a stop text across tokens and gives none of it', async () => {
    const text = 'The fox said STOP and went';
    const { model } = await load({ adjust: says(1, bytes(text)) });
    const pieces: Piece[] = [];
    for await (const piece of model.generate({ ids: [1], temperature: 0, stop: ['STOP', 'never'] })) pieces.push(piece);
    expect(pieces.map((piece) => piece.text).join('')).toBe('The fox said ');
    expect(pieces.at(-1)).toMatchObject({ finishReason: 'stop', stopText: 'STOP', tokens: bytes('P') });
    expect(pieces).toHaveLength('The fox said STOP'.length);
    const whole = await collect(model.generate({ ids: [1], temperature: 0, stop: 'wentx', maxTokens: text.length }));
    expect(whole).toMatchObject({ text, finishReason: 'length', stopText: undefined });
  });

  it('never splits a character', async () => {
    const text = 'ä€\u{1F98A}\u{1F469}\u200D\u{1F680} 你好';
    const { model } = await load({ adjust: says(1, bytes(text)) });
    let all = '';
    for await (const piece of model.generate({ ids: [1], temperature: 0, maxTokens: bytes(text).length })) {
      expect(piece.text).not.toContain('\ufffd');
      expect(piece.text).not.toMatch(/\p{Surrogate}/u);
      all += piece.text;
    }
    expect(all).toBe(text);
    const cut = await collect(model.generate({ ids: [1], temperature: 0, maxTokens: 4 }));
    expect(cut.text).toBe('ä\ufffd');
  });

  it('gives log probabilities of the raw logits', async () => {
    const { model } = await load();
    const answer = await collect(
      model.generate({ ids: [9, 8], maxTokens: 5, temperature: 2, repetitionPenalty: 1.4, seed: 1, logprobs: 3 }),
    );
    expect(answer.logprobs).toHaveLength(5);
    const ids = [9, 8];
    for (const [i, logprob] of answer.logprobs!.entries()) {
      expect(logprob).toEqual(logprobsOf(fakeLogits(ids), answer.tokens[i]!, 3));
      ids.push(answer.tokens[i]!);
    }
    expect((await collect(model.generate({ ids: [9], maxTokens: 2 }))).logprobs).toBeUndefined();
  });

  it('writes no text for tokens past the tokenizer, which padded vocabularies have', async () => {
    const { model } = await load({ adjust: says(1, [FAKE_VOCAB - 1, ...bytes('a')]) });
    expect((await collect(model.generate({ ids: [1], temperature: 0, maxTokens: 2 }))).text).toBe('a');
  });

  it('generates from ids without a tokenizer', async () => {
    const { model } = await load({ withoutTokenizer: true });
    const answer = await collect(model.generate({ ids: [4], maxTokens: 3, temperature: 0 }));
    expect(answer).toMatchObject({ text: '', tokens: fakeGreedy([4], 3) });
    await expect(collect(model.generate({ prompt: 'a' }))).rejects.toThrow('no tokenizer');
    await expect(collect(model.generate({ messages: [{ role: 'user', content: 'a' }] }))).rejects.toThrow('no tokenizer');
    await expect(collect(model.generate({ ids: [4], stop: 'x' }))).rejects.toThrow('no tokenizer');
    expect(model.info.hasTokenizer).toBe(false);
    expect(model.tokenizer.vocabSize).toBe(0);
    expect(() => model.tokenizer.encode('a')).toThrow('This model has no tokenizer (info.hasTokenizer is false)');
  });

  it('lets timers run while it is busy', async () => {
    const { model } = await load({ modelContextLength: 100_000, contextLength: 100_000 });
    const controller = new AbortController();
    // It would take minutes, and its steps never leave the thread.
    const busy = collect(model.generate({ ids: [1], ignoreEos: true, maxTokens: 90_000, signal: controller.signal }));
    let ticks = 0;
    const timer = setInterval(() => ++ticks === 3 && controller.abort(new Error('enough')), 1);
    await expect(busy).rejects.toThrow('enough').finally(() => clearInterval(timer));
  });
});

describe('generate refuses', () => {
  const cases: [string, GenerateOptions, typeof InputError | typeof CapacityError, string][] = [
    ['nothing', {}, InputError, 'exactly one of prompt, ids, segments and messages; found none'],
    ['two of them', { prompt: 'a', ids: [1] }, InputError, 'found prompt and ids'],
    ['an empty prompt', { prompt: '' }, InputError, 'The prompt is empty'],
    ['no ids', { ids: [] }, InputError, 'is empty'],
    ['no messages', { messages: [] }, InputError, 'messages is empty'],
    [
      'a message without content',
      { messages: [{ role: 'user' } as never] },
      InputError,
      'messages[0] has role "user" and content of type undefined',
    ],
    ['an id outside the vocabulary', { ids: [1, 300] }, InputError, 'from 0 to 299 (the vocabulary), found 300 at index 1'],
    ['a negative id', { ids: [-1] }, InputError, 'found -1 at index 0'],
    ['a fraction', { ids: [0.5] }, InputError, 'found 0.5 at index 0'],
    ['NaN settings', { prompt: 'a', temperature: Number.NaN }, InputError, 'temperature must be'],
    ['no tokens', { prompt: 'a', maxTokens: 0 }, InputError, 'maxTokens must be'],
    ['empty stop texts', { prompt: 'a', stop: [''] }, InputError, 'stop must be'],
    ['many log probabilities', { prompt: 'a', logprobs: 21 }, InputError, 'logprobs must be'],
    [
      'a prompt past the context',
      { ids: new Array<number>(101).fill(1) },
      CapacityError,
      'sequence of 101 tokens exceeds the context of 100',
    ],
    [
      'a prompt that fills the context',
      { ids: new Array<number>(100).fill(1) },
      CapacityError,
      'context of 100 tokens is too short: the prompt of 100 tokens leaves no room',
    ],
    [
      'an answer past the context',
      { ids: [1, 2, 3], maxTokens: 98 },
      CapacityError,
      'the prompt of 3 tokens and maxTokens 98 together exceed it by 1',
    ],
  ];
  it.each(cases)('%s', async (_, options, kind, message) => {
    const { model, log } = await load({ contextLength: 100 });
    const failing = collect(model.generate(options));
    await expect(failing).rejects.toThrow(kind);
    await expect(failing).rejects.toThrow(message);
    expect(log.steps).toEqual([]);
  });

  it('a context longer than the model\'s', async () => {
    await expect(loadFakeModel({ modelContextLength: 1024, contextLength: 1025 })).rejects.toThrow(
      "contextLength must be an integer from 1 to the model's 1024, found 1025",
    );
    expect((await load({ modelContextLength: 100_000 })).model.info).toMatchObject({ contextLength: 8192, modelContextLength: 100_000 });
  });

  it('scores that are not numbers, and works on', async () => {
    let broken = true;
    const { model } = await load({ adjust: (logits) => void (broken && (logits[7] = Number.NaN)) });
    await expect(collect(model.generate({ ids: [1] }))).rejects.toThrow('token 7 is NaN');
    broken = false;
    expect((await collect(model.generate({ ids: [1], maxTokens: 2, temperature: 0 }))).tokens).toEqual(fakeGreedy([1], 2));
  });
});

describe('the context', () => {
  it('is filled to the last token when no limit is given', async () => {
    const { model, log } = await load({ contextLength: 100 });
    const ids = [1, 2, 3];
    const answer = await collect(model.generate({ ids, temperature: 0 }));
    expect(answer.tokens).toEqual(fakeGreedy(ids, 97));
    expect(answer.finishReason).toBe('context');
    expect(log.pages).toBe(2);
    expect((await collect(model.generate({ ids, temperature: 0, maxTokens: 97 }))).tokens).toEqual(answer.tokens);
  });
});

describe('cancelling', () => {
  const ids = [5, 6, 7];
  const points = Array.from({ length: 10 }, (_, i) => 1 + ((i * 37 + 11) % 60));

  it.each(points)('by leaving the loop after %i tokens costs nothing and frees all', async (point) => {
    const { model, log } = await load({ contextLength: 128 });
    let read = 0;
    for await (const piece of model.generate({ ids, temperature: 0, maxTokens: 100 })) {
      read += piece.tokens.length;
      if (read === point) break;
    }
    expect(log.steps).toHaveLength(point);
    const again = await collect(model.generate({ ids: [1, 2], temperature: 0, maxTokens: 100 }));
    expect(again.tokens).toEqual(fakeGreedy([1, 2], 100));
    expect(again.usage.cachedTokens).toBe(0);
    expect(log.pages).toBeLessThanOrEqual(2);
  });

  it('by a signal stops within a token, and the next call works', async () => {
    const { model, log } = await load();
    const controller = new AbortController();
    let read = 0;
    const reading = async () => {
      for await (const piece of model.generate({ ids, signal: controller.signal })) {
        read += piece.tokens.length;
        if (read === 12) controller.abort(new Error('stop it'));
      }
    };
    await expect(reading()).rejects.toThrow('stop it');
    expect([read, log.steps.length]).toEqual([12, 12]);
    expect((await collect(model.generate({ ids, temperature: 0, maxTokens: 4 }))).tokens).toEqual(fakeGreedy(ids, 4));
  });

  it('by a signal stops between prefill chunks', async () => {
    const { model, log } = await load();
    const controller = new AbortController();
    const long = new Array<number>(1000).fill(2);
    const failing = collect(
      model.generate({
        ids: long,
        signal: controller.signal,
        onProgress: ({ loaded }) => loaded > 0 && controller.abort(new Error('too long')),
      }),
    );
    await expect(failing).rejects.toThrow('too long');
    expect(log.steps).toHaveLength(1);
  });

  it('by a signal that was aborted before does nothing', async () => {
    const { model, log } = await load();
    await expect(collect(model.generate({ ids, signal: AbortSignal.abort(new Error('early')) }))).rejects.toThrow('early');
    await expect(model.forward(ids, { signal: AbortSignal.abort(new Error('early')) })).rejects.toThrow('early');
    expect(log.steps).toEqual([]);
  });
});

describe('calls made meanwhile', () => {
  it('run beside each other, a step for all, and give what each gives alone', async () => {
    const { model, log } = await load();
    const run = async (id: number) => (await collect(model.generate({ ids: [id], maxTokens: 8, temperature: 0 }))).tokens;
    const [a, b, c, d] = await Promise.all([run(1), run(2), model.forward([1, 2]), run(3)]);
    expect([a, b, d]).toEqual([fakeGreedy([1], 8), fakeGreedy([2], 8), fakeGreedy([3], 8)]);
    expect([...c.subarray(FAKE_VOCAB)]).toEqual([...fakeLogits([1, 2])]);
    // The logits, which have a step of their own, and eight for the three answers.
    expect(log.runs).toBe(1 + 8);
  });

  it('make no more steps than the longest of 16, or a few for those that come later', async () => {
    const { model, log } = await load({ contextLength: 1024 });
    const lengths = Array.from({ length: 16 }, (_, i) => 10 + ((i * 29) % 31));
    const answers = await Promise.all(
      lengths.map(async (maxTokens, i) => {
        const ids = Array.from({ length: 3 + i }, (_id, at) => (at * 5 + i) % 250);
        const { tokens } = await collect(model.generate({ ids, maxTokens, temperature: 0 }));
        return { ids, tokens };
      }),
    );
    for (const [i, { ids, tokens }] of answers.entries()) expect(tokens).toEqual(fakeGreedy(ids, lengths[i]!));
    expect(log.runs).toBeLessThanOrEqual(1.2 * Math.max(...lengths));
  });

  it('read a long prompt in chunks beside answers that go on with every step', async () => {
    const { model, log } = await load();
    // How many rows stand beside answers hangs on how long the last ones took.
    vi.spyOn(performance, 'now').mockReturnValue(0);
    const long = Array.from({ length: 900 }, (_, i) => (i * 3) % 250);
    let read = 0;
    let first: number | undefined;
    const running = (async () => {
      for await (const { tokens } of model.generate({ ids: [7], maxTokens: 40, temperature: 0 })) {
        read += tokens.length;
        if (read !== 5) continue;
        void collect(model.generate({ ids: long, maxTokens: 2, temperature: 0 })).then(({ tokens: own }) => {
          expect(own).toEqual(fakeGreedy(long, 2));
          first = read;
        });
      }
    })();
    await running;
    expect(read).toBe(40);
    // Four steps of up to 255 rows, and one more for the second token; the reader had a token of each.
    expect(first).toBeGreaterThanOrEqual(5 + 4);
    expect(first).toBeLessThanOrEqual(5 + 7);
    const chunks = log.steps.filter(({ count }) => count > 1);
    expect(chunks.map(({ count }) => count)).toEqual([255, 255, 255, 135]);
  });

  it('wait for the memory of older ones, and lose none of their own', async () => {
    const { model, log } = await load({ contextLength: 256 });
    const prompts = Array.from({ length: 5 }, (_, n) => Array.from({ length: 100 }, (_id, i) => (i * 7 + n) % 250));
    const answers = await Promise.all(prompts.map((ids) => collect(model.generate({ ids, maxTokens: 60, temperature: 0 }))));
    for (const [n, { tokens }] of answers.entries()) expect(tokens).toEqual(fakeGreedy(prompts[n]!, 60));
    expect(log.pages).toBe(4);
  });

  it('need not wait for a reader that keeps the last piece', async () => {
    const { model } = await load();
    const first = model.generate({ ids: [1], maxTokens: 2 });
    while ((await first.next()).value?.finishReason === undefined);
    expect((await collect(model.generate({ ids: [1], maxTokens: 2, temperature: 0 }))).tokens).toEqual(fakeGreedy([1], 2));
  });

  it('may abort while they wait', async () => {
    const { model } = await load({ stepMs: 1 });
    const controller = new AbortController();
    const first = collect(model.generate({ ids: [1], maxTokens: 20, temperature: 0 }));
    const second = collect(model.generate({ ids: [2], maxTokens: 3, signal: controller.signal }));
    controller.abort(new Error('not now'));
    await expect(second).rejects.toThrow('not now');
    expect((await first).tokens).toEqual(fakeGreedy([1], 20));
  });

  it('inside the loop of another get through, and the loop goes on where it was', async () => {
    const { model } = await load({ contextLength: 64 });
    const tokens: number[] = [];
    for await (const piece of model.generate({ ids: [1], maxTokens: 6, temperature: 0 })) {
      tokens.push(...piece.tokens);
      // One page in all: this takes it away, and the loop computes its state anew.
      if (tokens.length === 3)
        expect((await collect(model.generate({ ids: [2], maxTokens: 5, temperature: 0 }))).tokens).toEqual(fakeGreedy([2], 5));
    }
    expect(tokens).toEqual(fakeGreedy([1], 6));
  });
});

describe('forward', () => {
  it('gives the logits of all positions, or of some', async () => {
    const { model, log } = await load();
    const ids = Array.from({ length: 300 }, (_, i) => i % 250);
    const all = await model.forward(ids);
    expect(all).toHaveLength(300 * FAKE_VOCAB);
    for (const position of [0, 63, 64, 255, 256, 299]) {
      expect([...all.subarray(position * FAKE_VOCAB, (position + 1) * FAKE_VOCAB)]).toEqual([...fakeLogits(ids.slice(0, position + 1))]);
    }
    const some = await model.forward(ids, { positions: [3, 255, 256] });
    expect([...some.subarray(2 * FAKE_VOCAB)]).toEqual([...fakeLogits(ids.slice(0, 257))]);
    expect(some).toHaveLength(3 * FAKE_VOCAB);
    expect(log.pages).toBe(5);
  });

  it('refuses bad positions, layers and ids', async () => {
    const { model } = await load();
    await expect(model.forward([1, 2], { positions: [2] })).rejects.toThrow('from 0 to 1, found 2');
    await expect(model.forward([1, 2], { positions: [1, 0] })).rejects.toThrow('found 0 after 1');
    await expect(model.forward([1, 2], { hidden: [3] })).rejects.toThrow('hidden must hold');
    await expect(model.forward([])).rejects.toThrow('empty');
    await expect(model.forward([999])).rejects.toThrow('found 999 at index 0');
  });
});

describe('dispose', () => {
  it('stops what runs, refuses what comes, and can be repeated', async () => {
    const { model, log } = await load({ stepMs: 1 });
    const running = collect(model.generate({ ids: [1] }));
    const waiting = collect(model.generate({ ids: [2] }));
    const stopped = expect(running).rejects.toThrow('The model was disposed');
    const refused = expect(waiting).rejects.toThrow('The model was disposed');
    while (log.runs === 0) await new Promise((resolve) => setTimeout(resolve));
    await model.dispose();
    expect(log.isDisposed).toBe(true);
    await Promise.all([stopped, refused]);
    await model[Symbol.asyncDispose]();
    await expect(collect(model.generate({ ids: [1] }))).rejects.toThrow(InputError);
    await expect(model.forward([1])).rejects.toThrow('The model was disposed');
    expect(() => model.createChat()).toThrow('The model was disposed');
  });

  it('inside the loop ends it', async () => {
    const { model } = await load();
    const reading = async () => {
      for await (const _ of model.generate({ ids: [1] })) await model.dispose();
    };
    await expect(reading()).rejects.toThrow('The model was disposed');
  });
});

describe('ready', () => {
  it('waits for what the program has not made, as long as its signal has it', async () => {
    let finish = () => {};
    const made = new Promise<void>((resolve) => void (finish = resolve));
    const { model } = await load({ prepareAll: () => made });
    let isReady = false;
    const waiting = model.ready().then(() => void (isReady = true));
    const stop = new AbortController();
    const stopped = expect(model.ready({ signal: stop.signal })).rejects.toThrow('enough');
    stop.abort(new Error('enough'));
    await stopped;
    expect((await collect(model.generate({ ids: [1], maxTokens: 3 }))).tokens).toHaveLength(3);
    expect(isReady).toBe(false);
    finish();
    await waiting;
    await expect(model.ready({ sginal: stop.signal } as object)).rejects.toThrow('signal');
  });

  it('is at once where there is nothing to make, and refused of a disposed model', async () => {
    const { model } = await load();
    await model.ready();
    await model.dispose();
    await expect(model.ready()).rejects.toThrow('The model was disposed');
  });
});

describe('the tokenizer', () => {
  it('is the model\'s', async () => {
    const { model } = await load();
    expect(model.tokenizer.encode('a')).toEqual(fakeTokenizer().encode('a'));
    const last = (await collect(model.generate({ prompt: 'a', maxTokens: 1 }))) satisfies Omit<FinalPiece, 'logprobs'>;
    expect(last.usage.completionTokens).toBe(1);
  });
});
