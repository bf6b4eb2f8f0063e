/** The engine on the GPU: what a caller sees of an executor that samples ahead. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Chat, GenerateOptions, Model, Piece } from '../../src/engine/api.ts';
import { collect } from '../../src/engine/collect.ts';
import type { CollectedAnswer } from '../../src/engine/collect.ts';
import type { Program } from '../../src/graph/executor.ts';
import { CapacityError, InputError } from '../../src/tensor/errors.ts';
import { setClock } from './executor-check.ts';
import { sharing } from '../sharing.ts';
import { lettersModel, lettersProgram, observedExecutor } from './letters-model.ts';
import type { LettersModelOptions } from './letters-model.ts';

const { executor, devices } = observedExecutor();
let program: Program;
const models: Model[] = [];

beforeAll(async () => {
  program = await lettersProgram(executor);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(models.splice(0).map((model) => model.dispose()));
});
afterAll(() => program?.dispose());

async function load(options: Omit<LettersModelOptions, 'executor'> = {}): Promise<Model> {
  const model = await lettersModel({ ...options, executor: sharing(program, executor) });
  models.push(model);
  return model;
}

async function piecesOf(model: Model, options: GenerateOptions): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for await (const piece of model.generate(options)) pieces.push(piece);
  return pieces;
}

const ASK: GenerateOptions = { prompt: 'Once upon a time', seed: 5, maxTokens: 40 };

describe('a stream of tokens', () => {
  it('begins with the first token alone, and then has several a piece, all of them once', async () => {
    const model = await load();
    setClock('racing');
    const slow = await piecesOf(model, ASK);
    setClock('still');
    const fast = await piecesOf(model, ASK);
    // Readers race too: where one takes longer than a step did, the next submit has a second one.
    expect(slow.slice(0, 2).map(({ tokens }) => tokens.length)).toEqual([1, 1]);
    expect(Math.max(...slow.map(({ tokens }) => tokens.length))).toBeLessThanOrEqual(2);
    expect(fast.map(({ tokens }) => tokens.length).slice(0, 6)).toEqual([1, 1, 1, 2, 4, 8]);
    for (const of of ['tokens', 'text'] as const)
      expect(fast.flatMap((piece) => [...piece[of]])).toEqual(slow.flatMap((piece) => [...piece[of]]));
    expect(slow.length).toBeGreaterThan(2 * fast.length);
    expect(fast.at(-1)).toMatchObject({ finishReason: 'length', usage: { completionTokens: 40, cachedTokens: 0 } });
    expect(new Set(slow.map(({ text }) => text)).size).toBeGreaterThan(5);
  });

  it('gives the tokens of host sampling where it is greedy, and of any device seed again', async () => {
    const model = await load();
    const greedy = { ...ASK, temperature: 0, maxTokens: 20 };
    const [device, host] = [await collect(model.generate(greedy)), await collect(model.generate({ ...greedy, logprobs: 3 }))];
    expect(device.tokens).toEqual(host.tokens);
    expect(host.logprobs).toHaveLength(20);
    const drawn = await collect(model.generate({ prompt: 'x', maxTokens: 20 }));
    expect((await collect(model.generate({ prompt: 'x', maxTokens: 20, seed: drawn.seed }))).tokens).toEqual(drawn.tokens);
    expect((await collect(model.generate({ prompt: 'x', maxTokens: 20, seed: drawn.seed + 1 }))).tokens).not.toEqual(drawn.tokens);
  });

  it('obeys biases and banned texts as host sampling does', async () => {
    const model = await load();
    const greedy = { ...ASK, temperature: 0, maxTokens: 20 };
    const { text } = await collect(model.generate(greedy));
    const biased = { ...greedy, logitBias: [[text[0]!, -100], [text[3]!, -1.5]] } as const;
    const [device, host] = [await collect(model.generate(biased)), await collect(model.generate({ ...biased, logprobs: true }))];
    expect(device.tokens).toEqual(host.tokens);
    expect(device.text).not.toContain(text[0]);
    const bannedTexts = [text.slice(2, 5), text.slice(9, 11)];
    const [banned, hosts] = [
      await collect(model.generate({ ...greedy, bannedTexts })), await collect(model.generate({ ...greedy, bannedTexts, logprobs: true })),
    ];
    expect(banned.tokens).toEqual(hosts.tokens);
    expect(banned.text.slice(0, 4)).toBe(text.slice(0, 4));
    expect(bannedTexts.filter((each) => banned.text.includes(each))).toEqual([]);
  });

  it('reports what it prefills, chunk by chunk, and times', async () => {
    const model = await load();
    const seen: [string, number, number | undefined][] = [];
    const { timings, usage } = await collect(
      model.generate({
        ...ASK,
        prompt: 'a'.repeat(70),
        maxTokens: 5,
        onProgress: ({ phase, loaded, total }) => seen.push([phase, loaded, total]),
      }),
    );
    expect(usage.promptTokens).toBe(71);
    expect(seen).toEqual([['prefill', 0, 71], ['prefill', 32, 71], ['prefill', 64, 71], ['prefill', 71, 71]]);
    expect(timings.ttftMs).toBeGreaterThanOrEqual(timings.prefillMs);
    expect(timings.decodeTokensPerSecond).toBeGreaterThan(0);
  });
});

describe.each(['racing', 'still'] as const)('an end, with a clock that is %s', (pace) => {
  let whole: string;
  beforeAll(async () => {
    whole = (await collect((await load()).generate(ASK))).text;
  });

  it('is a stop text: nothing of it is seen, nor of what was computed past it', async () => {
    const model = await load();
    const stop = whole.slice(21, 24);
    const at = whole.indexOf(stop);
    setClock(pace);
    const pieces = await piecesOf(model, { ...ASK, stop });
    expect(pieces.map(({ text }) => text).join('')).toBe(whole.slice(0, at));
    expect(pieces.at(-1)).toMatchObject({ finishReason: 'stop', stopText: stop, usage: { completionTokens: at + 3 } });
    expect(pieces.flatMap(({ tokens }) => tokens)).toHaveLength(at + 3);
    expect((await collect(model.generate(ASK))).text).toBe(whole);
  });

  it('is an end token: it has no text, and may be ignored', async () => {
    const end = whole[25] as string;
    const at = whole.indexOf(end);
    const model = await load({ endIds: [end.charCodeAt(0)] });
    setClock(pace);
    const answer = await collect(model.generate(ASK));
    expect(answer).toMatchObject({ text: whole.slice(0, at), finishReason: 'stop', usage: { completionTokens: at + 1 } });
    expect((await collect(model.generate({ ...ASK, ignoreEos: true }))).text).toBe(whole);
  });

  it('is the end of the context', async () => {
    const model = await load({ contextLength: 96 });
    setClock(pace);
    const full = await collect(model.generate({ ...ASK, maxTokens: undefined }));
    expect(full).toMatchObject({ finishReason: 'context', usage: { promptTokens: 17, completionTokens: 79 } });
    expect(full.text.slice(0, 40)).toBe(whole);
    expect((await collect(model.generate({ ...ASK, prompt: 'b'.repeat(94), maxTokens: undefined }))).usage).toMatchObject({
      promptTokens: 95,
      completionTokens: 1,
    });
    await expect(collect(model.generate({ ...ASK, maxTokens: 80 }))).rejects.toThrow(CapacityError);
  });

  it('is one token', async () => {
    const model = await load();
    setClock(pace);
    expect(await collect(model.generate({ ...ASK, maxTokens: 1 }))).toMatchObject({ text: whole[0], finishReason: 'length' });
  });
});

describe('cancelling', () => {
  it('at any point leaves the next call and the memory as they were', async () => {
    const model = await load();
    const fresh = await collect(model.generate(ASK));
    const { memory } = model.info;
    setClock('still');
    for (const point of [1, 3, 5]) {
      let read = 0;
      for await (const _ of model.generate({ ...ASK, seed: 70 + point, prompt: 'Some other words' })) if (++read === point) break;
      expect((await collect(model.generate(ASK))).tokens).toEqual(fresh.tokens);
      expect(model.info.memory).toEqual(memory);
    }
  });

  it('by a signal rejects with its reason, and hands the device no more than is under way', async () => {
    const model = await load();
    const submit = vi.spyOn((devices[0] as (typeof devices)[number]).queue, 'submit');
    const controller = new AbortController();
    const reason = new Error('enough');
    let read = 0;
    let submitted = 0;
    setClock('racing');
    const reading = (async () => {
      for await (const _ of model.generate({ ...ASK, maxTokens: 900, signal: controller.signal })) {
        if (++read < 4) continue;
        submitted = submit.mock.calls.length;
        controller.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
    expect(read).toBe(4);
    expect(submit.mock.calls.length - submitted).toBeLessThanOrEqual(1);
    expect((await collect(model.generate(ASK))).finishReason).toBe('length');
  });

  it('in the prefill stops after a chunk', async () => {
    const model = await load();
    const controller = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ loaded }: { loaded: number }) => {
      seen.push(loaded);
      if (seen.length === 3) controller.abort(new Error('never mind'));
    };
    await expect(collect(model.generate({ ...ASK, prompt: 'c'.repeat(400), signal: controller.signal, onProgress }))).rejects.toThrow(
      'never mind',
    );
    expect(seen).toEqual([0, 32, 64]);
    await expect(collect(model.generate({ ...ASK, signal: AbortSignal.abort(new Error('before')) }))).rejects.toThrow('before');
  });
});

describe('a chat', () => {
  it('prefills only what is new in each turn, and answers as a cold run does', async () => {
    const model = await load();
    const settings = { temperature: 0.7, seed: 3, maxTokens: 20 };
    const chat = model.createChat({ system: 'Be kind.', ...settings });
    const turns: { readonly messages: Chat['history']; readonly warm: CollectedAnswer }[] = [];
    let present = 0;
    for (let turn = 1; turn <= 5; turn++) {
      setClock(turn % 2 === 0 ? 'still' : 'racing');
      const warm = await collect(chat.send(`Question ${turn}`));
      vi.restoreAllMocks();
      turns.push({ messages: chat.history.slice(0, -1), warm });
      expect(warm.usage.cachedTokens, `turn ${turn}`).toBe(present);
      // The last token of an answer is never computed: it was only sampled. The next turn goes on with the one that ends a message.
      present = warm.usage.promptTokens + warm.usage.completionTokens - 1;
    }
    chat.dispose();
    for (const [turn, { messages, warm }] of turns.entries()) {
      // A model that knows nothing of the chat's pages.
      const cold = await collect((await load()).generate({ messages, ...settings }));
      expect(warm.text, `turn ${turn + 1}`).toBe(cold.text);
      expect(cold.usage.cachedTokens).toBe(0);
      expect(warm.usage.promptTokens).toBe(cold.usage.promptTokens);
    }
  });

  it('goes on after a stop text inside of a submit as if nothing had been computed past it', async () => {
    const model = await load();
    const settings = { temperature: 0.7, seed: 8, maxTokens: 50 };
    const first = await collect(model.generate({ messages: [{ role: 'user', content: 'Hello' }], ...settings }));
    const stop = first.text.slice(17, 20);
    const chat = model.createChat(settings);
    setClock('still');
    const before = await collect(chat.send('Hello', { stop }));
    expect(before.text).toBe(first.text.slice(0, first.text.indexOf(stop)));
    const after = await collect(chat.send('And then?'));
    vi.restoreAllMocks();
    const cold = await collect((await load()).generate({ messages: chat.history.slice(0, -1), ...settings }));
    expect(after.text).toBe(cold.text);
    expect(after.usage.cachedTokens).toBe(before.usage.promptTokens + before.text.length);
    chat.dispose();
  });

  it('keeps its answer right when another call runs between two turns, and when one takes its pages', async () => {
    const model = await load({ contextLength: 128, maxConcurrent: 1 });
    const settings = { temperature: 0, maxTokens: 10 };
    const chat = model.createChat(settings);
    await collect(chat.send('One'));
    await collect(model.generate({ ...ASK, maxTokens: 10 }));
    const kept = await collect(chat.send('Two'));
    expect(kept.usage.cachedTokens).toBeGreaterThan(0);
    await collect(model.generate({ ...ASK, maxTokens: 110 }));
    const lost = await collect(chat.send('Three'));
    expect(lost.usage.cachedTokens).toBe(0);
    expect(lost.text).toBe((await collect(model.generate({ messages: chat.history.slice(0, -1), ...settings }))).text);
    chat.dispose();
  });
});

describe('two calls at once', () => {
  it('run beside each other, each with its own tokens', async () => {
    const model = await load();
    const asks = [ASK, { ...ASK, prompt: 'Another', seed: 6 }, { ...ASK, prompt: 'A third', temperature: 0 }];
    const alone = [];
    for (const ask of asks) alone.push((await collect(model.generate(ask))).tokens);
    const together = await Promise.all(asks.map((ask) => collect(model.generate(ask))));
    expect(together.map(({ tokens }) => tokens)).toEqual(alone);
  });

  it('take turns where a reader stays away, and none is the worse for it', async () => {
    const model = await load();
    const wanted = [(await collect(model.generate(ASK))).tokens, (await collect(model.generate({ ...ASK, seed: 9 }))).tokens];
    const slow = model.generate(ASK);
    const tokens: number[] = [];
    const take = async () => tokens.push(...((await slow.next()).value as Piece).tokens);
    for (let i = 0; i < 3; i++) await take();
    // The other's reader awaits it while the first has its turn.
    expect((await collect(model.generate({ ...ASK, seed: 9 }))).tokens).toEqual(wanted[1]);
    for await (const piece of slow) tokens.push(...piece.tokens);
    expect(tokens).toEqual(wanted[0]);
  });

  it('end together when the model is disposed of', async () => {
    const model = await load();
    const calls = [ASK, ASK].map((ask) => collect(model.generate({ ...ask, maxTokens: 900 })));
    for (const call of calls) call.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 50));
    await model.dispose();
    for (const call of calls) await expect(call).rejects.toThrow(InputError);
  });
});
