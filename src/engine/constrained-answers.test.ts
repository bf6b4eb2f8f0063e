import { afterEach, describe, expect, it, vi } from 'vitest';
import { fakeModels, saying } from '../../test/fake-model.ts';
import { InputError } from '../tensor/errors.ts';
import type { OutputFormat } from '../text/grammars/output-format.ts';
import type { Piece } from './api.ts';
import { collect } from './collect.ts';

const { load } = fakeModels();
afterEach(() => void vi.restoreAllMocks());
const promptOf = (seed: number) => Array.from({ length: 24 }, (_, i) => 97 + ((seed * 7 + i * 5) % 26));

const flag: OutputFormat = {
  type: 'schema',
  schema: { type: 'object', properties: { temperature: { type: 'boolean' }, colour: { enum: ['red', 'green'] } },
    required: ['temperature', 'colour'] },
};
/** Logits only; tokens chosen step by step; several steps, beside masks and by a grammar that the program follows. */
const WAYS = [{}, { choosesSteps: 1 }, { choosesSteps: 8 }, { choosesSteps: 8, followsGrammars: true }];

describe('an answer with a format', () => {
  it('is of it, and the same whoever chooses its tokens', async () => {
    const formats: OutputFormat[] = [
      flag, { type: 'choice', choices: ['alpha', 'beta', 'alphabet'] }, { type: 'regex', pattern: '[a-f]{3,6}(?:-\\d+){2}x' },
      { type: 'grammar', grammar: 'root ::= "(" root? ")" | "[" [0-9]{1,3} "]"' },
    ];
    const matches = [/^\{\s*"temperature":\s*(true|false),\s*"colour"/u, /^(alpha|beta|alphabet)$/u, /^[a-f]{3,6}(-\d+){2}x$/u,
      /^(\(|\[)/u];
    for (const [i, format] of formats.entries()) {
      const answers = await Promise.all(WAYS.map(async (way) => {
        const { model } = await load(way);
        const call = (temperature: number) =>
          collect(model.generate({ ids: promptOf(1), format, temperature, seed: 3, maxTokens: 300, repetitionPenalty: 1.1 }));
        return [await call(0), await call(1)].map(({ text, tokens, finishReason }) => ({ text, tokens, finishReason }));
      }));
      for (const other of answers) expect(other).toEqual(answers[0]);
      for (const { text, finishReason } of answers[0] ?? []) {
        expect(finishReason === 'stop' ? text : 'cut').toMatch(finishReason === 'stop' ? (matches[i] as RegExp) : /cut/u);
      }
    }
  });

  it('takes text that has to follow at once, where masks are made here', async () => {
    for (const way of WAYS.slice(0, 3)) {
      const { model, log } = await load(way);
      const { text, tokens, usage, finishReason } = await collect(model.generate({ ids: promptOf(1), format: flag, temperature: 0 }));
      expect(finishReason).toBe('stop');
      expect(Object.keys(JSON.parse(text) as object)).toEqual(['temperature', 'colour']);
      expect(usage.completionTokens).toBe(tokens.length);
      // `temperature":` and `colour":` come without a step each.
      expect(log.runs).toBeLessThan(tokens.length - 12);
    }
  });

  it('comes several tokens a submit where the program follows its grammar', async () => {
    const format: OutputFormat = { type: 'regex', pattern: '[a-f]{60}' };
    const submitsOf = async (followsGrammars: boolean) => {
      const { model } = await load({ choosesSteps: 8, followsGrammars });
      let submits = 0;
      const answer = model.generate({ ids: promptOf(1), seed: 2, maxTokens: 60, format });
      for await (const { tokens } of answer) submits += tokens.length > 0 ? 1 : 0;
      return submits;
    };
    expect(await submitsOf(false)).toBe(60);
    expect(await submitsOf(true)).toBeLessThan(60);
  });

  it('comes several tokens a submit within a thought that the prompt opened, and behind it', async () => {
    const said = 'one or </thin two</think>\n[12,34,56]';
    const submitsOf = async (followsGrammars: boolean) => {
      const { model } = await load({ choosesSteps: 8, followsGrammars, adjust: saying(`<think>${said}`) });
      const pieces: Piece[] = [];
      const answer = model.generate({ prompt: 'assistant:<think>', format: { type: 'json' }, temperature: 0 });
      for await (const piece of answer) pieces.push(piece);
      expect(pieces.map(({ text }) => text).join('')).toBe(said);
      return pieces.length;
    };
    expect(await submitsOf(false)).toBeGreaterThan(said.length - 4);
    expect(await submitsOf(true)).toBeLessThan(said.length / 2);
  });

  it('lets others go on, and may be aborted, while what the program follows is looked for', async () => {
    const properties = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`m${i}`, { type: 'boolean' }]));
    const { model } = await load({ choosesSteps: 8, followsGrammars: true, contextLength: 4096, modelContextLength: 4096, stepMs: 1 });
    // A clock that goes on as it is looked at: slices of the search are as long on any machine, some fifty of them.
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => (now += 0.01));
    const format: OutputFormat = { type: 'schema', strict: false, schema: { properties } };
    let pieces = 0;
    const [stop, left] = [new AbortController(), new AbortController()];
    const other = (async () => {
      for await (const _ of model.generate({ ids: promptOf(2), maxTokens: 3000, ignoreEos: true, signal: stop.signal }))
        if (++pieces === 5) left.abort(new Error('enough'));
    })();
    await expect(collect(model.generate({ ids: promptOf(1), format, signal: left.signal }))).rejects.toThrow('enough');
    const before = pieces;
    for await (const _ of model.generate({ ids: promptOf(1), format, maxTokens: 8 })) break;
    expect(pieces).toBeGreaterThan(before + 3);
    stop.abort(new Error('over'));
    await expect(other).rejects.toThrow('over');
  });

  it('goes beside others, which are as they are alone', async () => {
    for (const way of WAYS) {
      const { model } = await load({ ...way, contextLength: 512 });
      const free = (i: number) => collect(model.generate({ ids: promptOf(i), maxTokens: 40, temperature: 0.8, seed: i }));
      const bound = (i: number) => collect(model.generate({ ids: promptOf(i), format: flag, temperature: 0.8, seed: i }));
      const alone = [(await free(1)).tokens, (await bound(2)).tokens, (await bound(3)).tokens, (await free(4)).tokens];
      const together = await Promise.all([free(1), bound(2), bound(3), free(4)]);
      expect(together.map(({ tokens }) => tokens)).toEqual(alone);
    }
  });

  it('may be left, aborted and cut', async () => {
    for (const way of WAYS) {
      const { model } = await load(way);
      for await (const piece of model.generate({ ids: promptOf(1), format: flag })) {
        expect(piece.tokens.length).toBeGreaterThan(0);
        break;
      }
      const stop = new AbortController();
      const aborted = (async () => {
        for await (const _ of model.generate({ ids: promptOf(1), format: flag, signal: stop.signal })) stop.abort(new Error('enough'));
      })();
      await expect(aborted).rejects.toThrow('enough');
      const cut = await collect(model.generate({ ids: promptOf(1), format: flag, maxTokens: 7, temperature: 0 }));
      const whole = await collect(model.generate({ ids: promptOf(1), format: flag, temperature: 0 }));
      expect([cut.finishReason, whole.finishReason]).toEqual(['length', 'stop']);
      expect(cut.tokens).toEqual(whole.tokens.slice(0, 7));
    }
  });

  it('has log probabilities of each token, and keeps to what is banned', async () => {
    for (const way of WAYS) {
      const { model } = await load(way);
      const known = await collect(model.generate({ ids: promptOf(1), format: flag, temperature: 0, logprobs: 1 }));
      expect(known.logprobs?.map(({ token }) => token)).toEqual(known.tokens);
      const format: OutputFormat = { type: 'choice', choices: ['alpha', 'beta'] };
      expect((await collect(model.generate({ ids: promptOf(1), format, bannedTexts: ['lph'] }))).text).toBe('beta');
      const nothing = collect(model.generate({ ids: promptOf(1), format, bannedTexts: ['a'] }));
      await expect(nothing).rejects.toThrow('No token may be next');
      expect((await collect(model.generate({ ids: promptOf(1), format }))).finishReason).toBe('stop');
    }
  });

  it('is of each of several choices, and of turns of a chat', async () => {
    const { model } = await load({ choosesSteps: 8 });
    const texts = ['', '', ''];
    for await (const piece of model.generate({ ids: promptOf(1), format: flag, n: 3, temperature: 1,
      seed: 1 })) texts[piece.index] += piece.text;
    for (const text of texts) expect(Object.keys(JSON.parse(text) as object)).toEqual(['temperature', 'colour']);
    const chat = model.createChat({ format: { type: 'choice', choices: ['yes', 'no'] } });
    expect((await collect(chat.send('Is it?'))).text).toMatch(/^(yes|no)$/u);
    expect((await collect(chat.send('And now?', { format: flag }))).text).toMatch(/^\{/u);
  });

  it('is refused before anything runs where it cannot be', async () => {
    const { model, log } = await load();
    const call = (options: object) => collect(model.generate({ ids: promptOf(1), ...options }));
    const refused = async (options: object, message: string) => {
      await expect(call(options)).rejects.toThrow(message);
      await expect(call(options)).rejects.toThrow(InputError);
    };
    await refused({ format: { type: 'schema', schema: { properties: { a: { contains: {} } } } } }, 'The schema at #/properties/a/contains');
    await refused({ format: { type: 'xml' } }, 'format must have a type');
    await refused({ format: flag, ignoreEos: true }, 'ignoreEos');
    expect(log.runs).toBe(0);
    const { model: textless } = await load({ withoutTokenizer: true });
    await expect(collect(textless.generate({ ids: promptOf(1), format: flag }))).rejects.toThrow('no tokenizer');
  });
});
