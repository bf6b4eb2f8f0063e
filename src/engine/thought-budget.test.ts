import { describe, expect, it } from 'vitest';
import { fakeGreedy, fakeModels, fakeTokenizer, FAKE_END } from '../../test/fake-model.ts';
import { bundledModelPath } from '../node/package-root.ts';
import { loadModel } from '../node/load-model.ts';
import { dialectNamed } from '../text/answers/dialects.ts';
import { THINK } from '../text/answers/reasoning-marks.ts';
import type { GenerateOptions } from './api.ts';
import { createGrammarCompiler } from '../text/grammars/output-format.ts';
import { collect } from './collect.ts';
import { createThoughtBudget } from './thought-budget.ts';

const { load, keep } = fakeModels();
const tokenizer = fakeTokenizer();
const isLetter = (id: number) => id >= 97 && id <= 122;
const letters = (logits: Float32Array) => logits.forEach((_, id) => (isLetter(id) ? undefined : (logits[id] = -30)));
const OPENED = [257, ...tokenizer.encode('Q:a A:<think>\n')];
const CUT = tokenizer.encode('\n</think>\n\n');
const ASK = { messages: [{ role: 'user', content: 'a' }], temperature: 0 } as const;

/** Whose prompts open a thought. */
const opening = (more: object = {}) => load({ adjust: letters, text: { encodeMessages: () => OPENED }, ...more });

function expectedAfter(tokens: number, total: number): number[] {
  const thought = fakeGreedy(OPENED, tokens, letters);
  return [...thought, ...CUT, ...fakeGreedy([...OPENED, ...thought, ...CUT], total - tokens - CUT.length, letters)];
}

describe.each([{}, { choosesSteps: 8 }, { choosesSteps: 8, hasSlots: true }, { window: 40 }])('a thought of a model of %j', (device) => {
  it('ends where its tokens do, and the answer goes on from there', async () => {
    const { model } = await opening(device);
    for (const budgetTokens of [1, 5, 12]) {
      const { tokens, reasoning, content, usage, finishReason } = await collect(
        model.generate({ ...ASK, reasoning: { budgetTokens }, maxTokens: 40 }),
      );
      expect(tokens).toEqual(expectedAfter(budgetTokens, 40));
      expect(reasoning).toBe(tokenizer.decode(tokens.slice(0, budgetTokens)));
      expect(content).toBe(tokenizer.decode(tokens.slice(budgetTokens + CUT.length)));
      expect([usage.completionTokens, finishReason]).toEqual([40, 'length']);
    }
  });

  it('ends beside other answers, and in a chat whose next turn goes on from it', async () => {
    const { model } = await opening({ ...device, memoryBudget: 2 ** 30 });
    const [one, two, whole] = await Promise.all([
      collect(model.generate({ ...ASK, reasoning: { budgetTokens: 7 }, maxTokens: 50 })),
      collect(model.generate({ ...ASK, reasoning: { budgetTokens: 20 }, maxTokens: 50 })),
      collect(model.generate({ ...ASK, maxTokens: 50 })),
    ]);
    expect([one.tokens, two.tokens, whole.tokens]).toEqual([expectedAfter(7, 50), expectedAfter(20, 50), fakeGreedy(OPENED, 50, letters)]);
    const chat = model.createChat({ reasoning: { budgetTokens: 4 }, temperature: 0, maxTokens: 30 });
    for (let turn = 0; turn < 2; turn++) expect((await collect(chat.send('a'))).tokens).toEqual(expectedAfter(4, 30));
    expect(chat.history[1]).toMatchObject({ reasoning_content: tokenizer.decode(expectedAfter(4, 30).slice(0, 4)) });
  });

  it('is closed in the prompt where it may have no tokens', async () => {
    const { model } = await opening(device);
    for (const reasoning of [{ budgetTokens: 0 }, { budgetTokens: 0 }] as const) {
      const { tokens, usage, reasoning: thought } = await collect(model.generate({ ...ASK, reasoning, maxTokens: 9 }));
      expect(tokens).toEqual(fakeGreedy([...OPENED, ...CUT], 9, letters));
      expect([usage.promptTokens, thought]).toEqual([OPENED.length + CUT.length, '']);
    }
  });

  it('has no probability in what ends it, keeps count of penalties, and may be the end of the answer', async () => {
    const { model } = await opening(device);
    const penalties = { frequencyPenalty: 1.5, repetitionPenalty: 1.2 };
    const options: GenerateOptions = { ...ASK, reasoning: { budgetTokens: 5 }, maxTokens: 30, ...penalties };
    const [known, plain] = [await collect(model.generate({ ...options, logprobs: 1 })), await collect(model.generate(options))];
    expect(known.tokens).toEqual(plain.tokens);
    expect(known.logprobs!.map(({ logprob }) => Number.isNaN(logprob))).toEqual(
      known.tokens.map((_, i) => i >= 5 && i < 5 + CUT.length),
    );
    const short = await collect(model.generate({ ...ASK, reasoning: { budgetTokens: 5 }, maxTokens: 8 }));
    expect([short.tokens, short.finishReason]).toEqual([expectedAfter(5, 30).slice(0, 8), 'length']);
  });
});

/** What a budget says of a text, token by token. */
function cutAfter(text: string, tokens: number, isOpen = false, marks = THINK): string | undefined {
  const budget = createThoughtBudget({ tokens, marks, tokenizer, isOpen });
  const ids = tokenizer.encode(text);
  const at = ids.findIndex((id) => budget.take(id).length > 0);
  return at < 0 ? undefined : tokenizer.decode(ids.slice(0, at + 1));
}

describe('a budget', () => {
  it('begins at the mark that opens a thought, at the beginning of an answer alone', () => {
    expect(cutAfter('<think>abcdef', 3)).toBe('<think>abc');
    expect(cutAfter('\n <think>abcdef', 0)).toBe('\n <think>');
    expect(cutAfter('So <think>abcdef', 3)).toBeUndefined();
    expect(cutAfter('<thin', 0)).toBeUndefined();
    expect(cutAfter('abcdef', 3, true)).toBe('abc');
  });

  it('is not needed for a thought that ends before, and never cuts a character', () => {
    expect(cutAfter('<think>ab</think>cdefghijklmnopq', 20)).toBeUndefined();
    expect(cutAfter('ab</think>', 10, true)).toBeUndefined();
    expect(cutAfter('a\u00e9\u{1F98A}b', 2, true)).toBe('a\u00e9');
    expect(cutAfter('a\u00e9\u{1F98A}b', 5, true)).toBe('a\u00e9\u{1F98A}');
  });

  it('ends thoughts of other families by their own marks', async () => {
    const said: Record<string, [string, string]> = {
      harmony: ['<|channel|>analysis<|message|>', '<|end|><|start|>assistant<|channel|>final<|message|>'],
      ministral: ['[THINK]', '[/THINK]'],
      gemma4: ['<|channel>thought', '<channel|>'],
      lfm2: ['<think>', '\n</think>\n\n'],
    };
    for (const [name, [open, close]] of Object.entries(said)) {
      const answer = tokenizer.encode(`${open}abcdefgh`);
      const adjust = (logits: Float32Array, ids: readonly number[]) => {
        const at = ids.length - OPENED.length;
        letters(logits);
        if (at < answer.length) logits[answer[at]!] = 90;
        if (ids.length > OPENED.length + 60 + open.length) logits[FAKE_END] = 90;
      };
      const closed = OPENED.map((id) => (id === 60 ? 40 : id));
      const { model } = await load({ adjust, text: { encodeMessages: () => closed, dialect: dialectNamed(name) } });
      const { tokens, reasoning } = await collect(model.generate({ ...ASK, reasoning: { budgetTokens: 4 }, maxTokens: 100 }));
      expect(tokenizer.decode(tokens)).toContain(`${open}abcd${close}`);
      expect([name, reasoning]).toEqual([name, 'abcd']);
    }
  });

  it('is refused beside a format that leaves no place for a thought', async () => {
    const { model } = await load();
    const asking = collect(model.generate({ ...ASK, reasoning: { budgetTokens: 9 }, format: { type: 'json' } }));
    await expect(asking).rejects.toThrow('reasoning.budgetTokens would have nothing to limit');
    // Where the prompt opens one, the format begins behind its end.
    for (const device of [{}, { choosesSteps: 8 }]) {
      const { model: thinking } = await opening({ ...device, text: { encodeMessages: () => OPENED, grammars: (vocab: number) =>
        createGrammarCompiler(tokenizer, vocab, new Set([FAKE_END])) } });
      const asked = { ...ASK, reasoning: { budgetTokens: 6 }, maxTokens: 60, format: { type: 'choice', choices: ['yes', 'no'] } } as const;
      const { reasoning, content, finishReason } = await collect(thinking.generate(asked));
      expect([reasoning.length, ['yes', 'no'].includes(content.trim()), finishReason]).toEqual([6, true, 'stop']);
    }
  });

  it('makes the bundled model answer after a few tokens of thought', async () => {
    const model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 2 });
    keep(model);
    const ask = { messages: [{ role: 'user', content: 'What is 17 + 25?' }], temperature: 0, maxTokens: 120 };
    const whole = await collect(model.generate(ask));
    const cut = await collect(model.generate({ ...ask, reasoning: { budgetTokens: 3 } }));
    const none = await collect(model.generate({ ...ask, reasoning: false }));
    expect(model.tokenizer!.encode(whole.reasoning).length).toBeGreaterThan(6);
    expect(whole.reasoning.startsWith(cut.reasoning.trimEnd())).toBe(true);
    expect(model.tokenizer!.encode(cut.reasoning).length).toBeLessThanOrEqual(3);
    for (const { content, finishReason } of [cut, none]) expect([content !== '', finishReason]).toEqual([true, 'stop']);
    expect(none.reasoning).toBe('');
  });
});
