import { expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { tokenizerFromCheckpoint } from './tokenizer-from-checkpoint.ts';

const VOCAB = [
  '[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'the', 'quick', 'fox', '##es', 'jump', '##ed', 'over', ',', '.', '!', 'a', '##b', '##c',
  'cafe', 'un', '##able', '中', '国', '5', '##0',
];

/** What `BertWordPieceTokenizer(vocab, lowercase=True)` of the library tokenizers 0.23 makes of texts. */
const RECORDED: readonly (readonly [string, readonly number[]])[] = [
  ['The quick foxes jumped over, the FOX.', [2, 5, 6, 7, 8, 9, 10, 11, 12, 5, 7, 13, 3]],
  ['Caf\u00e9!', [2, 18, 14, 3]],
  ['中国 abc', [2, 21, 22, 15, 16, 17, 3]],
  ['unable zzz', [2, 19, 20, 1, 3]],
  ['50 fox [SEP] the', [2, 23, 24, 7, 3, 5, 3]],
  ['', [2, 3]],
  ['a\tb', [2, 15, 1, 3]],
];

/** As llama.cpp's convert script writes the tokens of a BERT. */
function checkpoint(more: Readonly<Record<string, number>> = {}) {
  const tokens = VOCAB.map((text, id) => (id < 5 ? text : text.startsWith('##') ? text.slice(2) : `\u2581${text}`));
  return memoryCheckpoint({
    format: 'gguf', architecture: 'bert', tensors: {},
    metadata: {
      'tokenizer.ggml.model': 'bert', 'tokenizer.ggml.tokens': tokens,
      'tokenizer.ggml.token_type': Int32Array.from(VOCAB, (_, id) => (id < 5 ? 3 : 1)),
      'tokenizer.ggml.bos_token_id': 2, 'tokenizer.ggml.seperator_token_id': 3, 'tokenizer.ggml.unknown_token_id': 1, ...more,
    },
  });
}

it("gives the ids of the library's WordPiece", async () => {
  const tokenizer = await tokenizerFromCheckpoint(checkpoint());
  for (const [text, ids] of RECORDED) expect(tokenizer?.encode(text, { addSpecial: true, parseSpecial: true }), text).toEqual(ids);
  expect(tokenizer?.decode([5, 6, 7, 8])).toBe('the quick foxes');
});

it('refuses a separator outside the vocabulary', async () => {
  await expect(tokenizerFromCheckpoint(checkpoint({ 'tokenizer.ggml.seperator_token_id': 99 }))).rejects.toThrow(FormatError);
});
