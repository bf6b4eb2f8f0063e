import { InputError } from '../tensor/errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/** What a model without a tokenizer has in the place of one: an empty vocabulary, whose calls say so. */
export function absentTokenizer(): Tokenizer {
  const refuse = (): never => {
    throw new InputError('This model has no tokenizer (info.hasTokenizer is false): it reads and answers token ids, and no text.');
  };
  return {
    kind: 'none',
    vocabSize: 0,
    special: { bos: undefined, eos: undefined, eot: undefined, eom: undefined, pad: undefined, unk: undefined },
    endIds: new Set(),
    addBos: false,
    addEos: false,
    limits: undefined,
    warnings: [],
    joining: 'bytes',
    encode: refuse,
    encodeSegments: refuse,
    decode: refuse,
    tokenBytes: refuse,
    vocabularyBytes: refuse,
    tokenText: refuse,
    idOf: refuse,
    isSpecial: refuse,
    streamDecoder: refuse,
  };
}
