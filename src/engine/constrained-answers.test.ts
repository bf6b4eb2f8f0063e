import { describe, expect, it } from 'vitest';
import { fakeModels } from '../../test/fake-model.ts';
import { InputError } from '../tensor/errors.ts';
import type { OutputFormat } from '../text/grammars/output-format.ts';
import { collect } from './collect.ts';

const { load } = fakeModels();
const promptOf = (seed: number) => Array.from({ length: 24 }, (_, i) => 97 + ((seed * 7 + i * 5) % 26));

const flag: OutputFormat = {
  type: 'schema',
  schema: { type: 'object', properties: { temperature: { type: 'boolean' }, colour: { enum: ['red', 'green'] } },
    required: ['temperature', 'colour'] },
};
const WAYS = [undefined, 1, 8];

describe('an answer with a format', () => {
  it('is of it, and the same whoever chooses its tokens', async () => {
    const formats: OutputFormat[] = [
      flag, { type: 'choice', choices: ['alpha', 'beta', 'alphabet'] }, { type: 'regex', pattern: '[a-f]{3,6}(?:-\\d+){2}x' },
      { type: 'grammar', grammar: 'root ::= "(" root? ")" | "[" [0-9]{1,3} "]"' },
    ];
    const matches = [/^\{\s*"temperature":\s*(true|false),\s*"colour"/u, /^(alpha|beta|alphabet)$/u, /^[a-f]{3,6}(-\d+){2}x$/u,
      /^(\(|\[)/u];
    for (const [i, format] of formats.entries()) {
      const answers = await Promise.all(WAYS.map(async (choosesSteps) => {
        const { model } = await load(choosesSteps === undefined ? {} : { choosesSteps });
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

  it('takes text that has to follow at once', async () => {
    for (const choosesSteps of WAYS) {
      const { model, log } = await load(choosesSteps === undefined ? {} : { choosesSteps });
      const { text, tokens, usage, finishReason } = await collect(model.generate({ ids: promptOf(1), format: flag, temperature: 0 }));
      expect(finishReason).toBe('stop');
      expect(Object.keys(JSON.parse(text) as object)).toEqual(['temperature', 'colour']);
      expect(usage.completionTokens).toBe(tokens.length);
      // `temperature":` and `colour":` come without a step each.
      expect(log.runs).toBeLessThan(tokens.length - 12);
    }
  });

  it('goes beside others, which are as they are alone', async () => {
    for (const choosesSteps of WAYS) {
      const { model } = await load({ ...(choosesSteps === undefined ? {} : { choosesSteps }), contextLength: 512 });
      const free = (i: number) => collect(model.generate({ ids: promptOf(i), maxTokens: 40, temperature: 0.8, seed: i }));
      const bound = (i: number) => collect(model.generate({ ids: promptOf(i), format: flag, temperature: 0.8, seed: i }));
      const alone = [(await free(1)).tokens, (await bound(2)).tokens, (await bound(3)).tokens, (await free(4)).tokens];
      const together = await Promise.all([free(1), bound(2), bound(3), free(4)]);
      expect(together.map(({ tokens }) => tokens)).toEqual(alone);
    }
  });

  it('may be left, aborted and cut', async () => {
    for (const choosesSteps of WAYS) {
      const { model } = await load(choosesSteps === undefined ? {} : { choosesSteps });
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
    for (const choosesSteps of WAYS) {
      const { model } = await load(choosesSteps === undefined ? {} : { choosesSteps });
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
