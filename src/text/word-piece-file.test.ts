import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { embeddingModel, filesBelow, poolingFiles } from '../../test/embedding-model.ts';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { FormatError } from '../tensor/errors.ts';
import { wordPieceTokenizer } from '../tensor/word-piece-file.ts';
import { jsonTokenizer } from './json-tokenizer.ts';

const TOKENS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'un', '##aff', '##able', 'cafe', 'Cafe', '中', ',', 'fox', 'é'];
const vocabulary = `${TOKENS.join('\n')}\n`;

describe('a vocab.txt alone', () => {
  // Ids of transformers 5.18's BertTokenizer(vocab_file).
  it.each([
    [{}, [[2, 5, 6, 7, 11, 8, 1, 3], [2, 8, 10, 12, 3], [2, 4, 1, 1, 1, 3], [2, 3], [2, 1, 3]]],
    [{ do_lower_case: false }, [[2, 1, 11, 1, 1, 3], [2, 1, 10, 12, 3], [2, 4, 1, 1, 1, 3], [2, 3], [2, 13, 3]]],
  ])("gives the ids of transformers' BertTokenizer with %j", (settings, expected) => {
    const tokenizer = jsonTokenizer({ name: 'x', tokenizer: JSON.stringify(wordPieceTokenizer({ name: 'x', vocabulary, settings })) });
    const texts = ['Unaffable, café!', 'Café 中fox', '[MASK] [mask]', '', 'é'];
    expect(texts.map((text) => tokenizer.encode(text, { addSpecial: true, parseSpecial: true }))).toEqual(expected);
  });

  it.each([
    [{}, 'fox\n', 'vocab.txt must hold cls_token "[CLS]"'],
    [{ do_lower_case: 'yes' }, vocabulary, 'do_lower_case must be true or false, found "yes"'],
    [{ do_basic_tokenize: false }, vocabulary, 'do_basic_tokenize must be true'],
    [{ unk_token: '<unk>' }, vocabulary, 'vocab.txt must hold unk_token "<unk>"'],
  ])('is refused with %j and %j', (settings, text, message) => {
    const making = () => wordPieceTokenizer({ name: 'x', vocabulary: text, settings });
    expect(making).toThrow(FormatError);
    expect(making).toThrow(message);
  });

  it('serves a folder of BERT that has no tokenizer.json', async () => {
    const files = filesBelow(join(fixturesPath, 'golden/bert'), poolingFiles('mean_tokens', { 'vocab.txt': vocabulary }));
    const model = await embeddingModel(files, { device: 'reference' });
    try {
      expect(await model.embed(['Unaffable fox'])).toEqual(await model.embed([[2, 5, 6, 7, 12, 3]]));
    } finally {
      await model.dispose();
    }
  });
});
