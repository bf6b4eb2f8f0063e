import { describe, expect, it } from 'vitest';
import { fakeGreedy, fakeModels, fakeTokenizer } from '../../test/fake-model.ts';
import { vocabularyFile } from '../../test/vocabulary-file.ts';
import { openGguf } from '../files/gguf-reader.ts';
import { memoryFolder } from '../files/memory-source.ts';
import { InputError } from '../tensor/errors.ts';
import { ggufTokenizer } from '../text/gguf-tokenizer.ts';
import { infillIds } from '../text/infill-tokens.ts';
import { collect } from './collect.ts';

const { load } = fakeModels();
const infillTokens = { prefix: 270, suffix: 271, middle: 272, ends: [273] };
const tokenizer = fakeTokenizer();
const idsOf = (prefix: string, suffix: string) => [257, 270, ...tokenizer.encode(prefix), 271, ...tokenizer.encode(suffix), 272];

describe('infill', () => {
  it('goes on after prefix, suffix and the mark of the middle', async () => {
    const { model } = await load({ text: { infillTokens } });
    const options = { prefix: 'let x =', suffix: ';\n<|end|>', temperature: 0, maxTokens: 9 };
    const { tokens, usage } = await collect(model.infill(options));
    expect(tokens).toEqual(fakeGreedy(idsOf(options.prefix, options.suffix), 9));
    expect(usage.promptTokens).toBe(5 + 7 + 2 + 7 - 1);
    const empty = await collect(model.infill({ prefix: '', suffix: '', temperature: 0, maxTokens: 3 }));
    expect(empty.tokens).toEqual(fakeGreedy(idsOf('', ''), 3));
  });

  it('ends at tokens that begin another file', async () => {
    const adjust = (logits: Float32Array, ids: readonly number[]) => void (ids.at(-1) === 272 ? undefined : (logits[273] = 50));
    const { model } = await load({ text: { infillTokens }, adjust });
    const { finishReason, usage } = await collect(model.infill({ prefix: 'a', suffix: 'b', temperature: 0 }));
    expect([finishReason, usage.completionTokens]).toEqual(['stop', 2]);
    // Of other calls it is a token like any.
    expect(await collect(model.generate({ prompt: 'a', temperature: 0, maxTokens: 5 }))).toMatchObject({ finishReason: 'length' });
  });

  it.each([
    [{ prefix: 'a' }, 'suffix must be a string, found undefined'],
    [{ prefix: 3, suffix: '' }, 'prefix must be a string, found number 3'],
    [{ prefix: '', suffix: '', prompt: 'a' }, 'infill has no option "prompt"'],
    [{ prefix: '', suffix: '', maxTokens: 0 }, 'maxTokens'],
  ])('refuses %j', async (options, message) => {
    const { model } = await load({ text: { infillTokens } });
    await expect(collect(model.infill(options as never))).rejects.toThrow(InputError);
    await expect(collect(model.infill(options as never))).rejects.toThrow(message);
  });

  it('is refused by name where the vocabulary has no tokens for it', async () => {
    const { model } = await load();
    await expect(collect(model.infill({ prefix: 'a', suffix: 'b' }))).rejects.toThrow('fim_prefix');
  });

  it('puts no space before the suffix that encoding puts before a text', async () => {
    const tokens = ['<unk>', '<s>', '</s>', '\u2581', 'a', 'b', '\u2581a', '\u263a', '\u2581<PRE>', '\u2581<SUF>', '\u2581<MID>'];
    const scores = tokens.map((_, id) => -id);
    const types = [2, 3, 3, 1, 1, 1, 1, 1, 3, 3, 3];
    const bytes = vocabularyFile({ model: 'llama', tokens, scores, types });
    const spaced = ggufTokenizer(await openGguf(memoryFolder(new Map([['v.gguf', bytes]]), 'test'), 'v.gguf'));
    expect(spaced.encode('ab')).toEqual([6, 5]);
    const marks = { prefix: 8, suffix: 9, middle: 10, ends: [] };
    expect(infillIds({ prefix: 'ab', suffix: 'ab' }, marks, spaced)).toEqual([1, 8, 6, 5, 9, 4, 5, 10]);
    expect(infillIds({ prefix: 'b', suffix: '' }, marks, spaced)).toEqual([1, 8, 3, 5, 9, 10]);
  });
});
