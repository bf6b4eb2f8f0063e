/** A tokenizer from the vocabulary in a GGUF file. Follows llama.cpp, which those files are made for: no normaliser. */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { createAddedTokenSplitter } from './added-tokens.ts';
import type { AddedToken } from './added-tokens.ts';
import { bytesOfAlphabetText } from '../tensor/byte-alphabet.ts';
import { createBytePairEncoder } from './byte-pair.ts';
import { readGgufVocabulary, TOKEN_KIND } from './gguf-vocabulary.ts';
import type { GgufVocabulary } from './gguf-vocabulary.ts';
import { createMergeTable } from './merge-table.ts';
import { preTokenizerKind, preTokenizerNames } from './pre-tokenizer-kinds.ts';
import type { PreTokenizerKind } from './pre-tokenizer-kinds.ts';
import { createSentencePieceEncoder } from './sentence-piece.ts';
import { createTokenizer } from './tokenizer.ts';
import type { Tokenizer, TokenizerParts } from './tokenizer.ts';

/** Where a fragment of plain text lies in the whole text. */
interface FragmentPlace {
  /** It begins the text or follows an added token. */
  readonly afterSpecial: boolean;
  /** It begins the text. */
  readonly isFirst: boolean;
}

/** How one model of vocabulary encodes plain text and writes its tokens. */
interface Scheme {
  readonly kind: string;
  encodePlain(text: string, place: FragmentPlace): number[];
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly stripLeadingSpace: boolean;
  /** Ordinary tokens are written in the byte alphabet, or else in UTF-8 with U+2581 for spaces. */
  readonly byteAlphabet: boolean;
}

const metaspace = '\u2581';
const supportedModels = ['gpt2', 'gemma4', 'llama'];

/** @throws FormatError for a vocabulary that is damaged or of an unknown kind */
export function ggufTokenizer(checkpoint: Checkpoint): Tokenizer {
  const vocabulary = readGgufVocabulary(checkpoint);
  const scheme = schemeOf(checkpoint, vocabulary);
  const { tokens, kinds, special } = vocabulary;
  const encodeBody = bodyEncoder(vocabulary, scheme);
  return createTokenizer({
    kind: scheme.kind,
    vocabSize: tokens.length,
    special,
    endIds: vocabulary.endIds,
    prefixIds: scheme.addBos && special.bos !== undefined ? [special.bos] : [],
    suffixIds: scheme.addEos && special.eos !== undefined ? [special.eos] : [],
    stripLeadingSpace: scheme.stripLeadingSpace,
    encodeBody,
    tokenBytes: byteReader(vocabulary, scheme.byteAlphabet),
    tokenText: (id) => tokens[id]!,
    idOf: (text) => vocabulary.idOf.get(text),
    isSpecial: (id) => (kinds[id]! & (TOKEN_KIND.control | TOKEN_KIND.unknown)) !== 0,
  });
}

function schemeOf(checkpoint: Checkpoint, vocabulary: GgufVocabulary): Scheme {
  switch (vocabulary.model) {
    case 'gpt2':
      return bytePairScheme(checkpoint, vocabulary, vocabulary.pre);
    case 'gemma4':
      return bytePairScheme(checkpoint, vocabulary, 'gemma4');
    case 'llama':
      return sentencePieceScheme(checkpoint, vocabulary);
    default:
      throw new FormatError(
        `${checkpoint.name}: tokenizer.ggml.model is ${JSON.stringify(vocabulary.model.slice(0, 60))}; ` +
          `expected one of ${supportedModels.join(', ')}.`,
      );
  }
}

function bytePairScheme(checkpoint: Checkpoint, vocabulary: GgufVocabulary, pre: string): Scheme {
  const kind = preTokenizerKind(pre);
  if (kind === undefined) {
    throw new FormatError(
      `${checkpoint.name}: tokenizer.ggml.pre is ${JSON.stringify(pre.slice(0, 60))}, which is not known here; ` +
        `expected one of ${preTokenizerNames().join(', ')}.`,
    );
  }
  const where = `${checkpoint.name}: tokenizer.ggml.merges`;
  if (vocabulary.merges === undefined) throw new FormatError(`${where} is missing. The file is damaged.`);
  const merges = createMergeTable(vocabulary.merges, vocabulary.idOf, where);
  const byteAlphabet = kind.rawUtf8 !== true;
  if (byteAlphabet) checkAlphabet(checkpoint, vocabulary);
  const encode = createBytePairEncoder({ idOf: vocabulary.idOf, merges, kind, byteIds: byteIdsOf(vocabulary) });
  return {
    kind: `byte-pair encoding (${pre})`,
    encodePlain: byteAlphabet ? encode : (text) => encode(text.replaceAll(' ', metaspace)),
    addBos: addsBos(vocabulary, kind),
    addEos: vocabulary.addEos ?? false,
    stripLeadingSpace: vocabulary.addSpacePrefix ?? false,
    byteAlphabet,
  };
}

function addsBos(vocabulary: GgufVocabulary, kind: PreTokenizerKind): boolean {
  return kind.forceBos === true || (vocabulary.addBos ?? kind.addBos ?? false);
}

function sentencePieceScheme(checkpoint: Checkpoint, vocabulary: GgufVocabulary): Scheme {
  const { scores } = vocabulary;
  if (scores === undefined) {
    throw new FormatError(`${checkpoint.name}: tokenizer.ggml.scores is missing. The file is damaged.`);
  }
  const encode = createSentencePieceEncoder({
    idOf: vocabulary.idOf,
    scores: Array.from({ length: vocabulary.tokens.length }, (_, id) => scores[id]!),
    byteIds: byteIdsOf(vocabulary),
    unknownId: vocabulary.special.unk,
    isControl: (id) => (vocabulary.kinds[id]! & (TOKEN_KIND.control | TOKEN_KIND.unknown)) !== 0,
  });
  const { spaceBefore } = vocabulary;
  const addSpace = vocabulary.addSpacePrefix ?? true;
  const isSpaceWanted = (text: string, { afterSpecial, isFirst }: FragmentPlace) => {
    if (spaceBefore === undefined) return addSpace && afterSpecial;
    return (spaceBefore === 'always' || isFirst) && !/^[ \u2581]/.test(text);
  };
  return {
    kind: 'SentencePiece',
    encodePlain: (text, place) => encode((isSpaceWanted(text, place) ? ` ${text}` : text).replaceAll(' ', metaspace)),
    addBos: vocabulary.addBos ?? true,
    addEos: vocabulary.addEos ?? false,
    stripLeadingSpace: addSpace,
    byteAlphabet: false,
  };
}

function bodyEncoder(vocabulary: GgufVocabulary, scheme: Scheme): TokenizerParts['encodeBody'] {
  const special = TOKEN_KIND.control | TOKEN_KIND.unknown;
  const added = vocabulary.tokens.flatMap((text, id): AddedToken[] => {
    const kind = vocabulary.kinds[id]!;
    return (kind & (special | TOKEN_KIND.userDefined)) === 0 ? [] : [{ id, text, special: (kind & special) !== 0 }];
  });
  const split = createAddedTokenSplitter(added);
  return (text, allowSpecial) => {
    const ids: number[] = [];
    let afterSpecial = true;
    for (const [n, fragment] of split(text, allowSpecial).entries()) {
      if (typeof fragment === 'number') {
        ids.push(fragment);
        afterSpecial = true;
        continue;
      }
      for (const id of scheme.encodePlain(fragment, { afterSpecial, isFirst: n === 0 })) ids.push(id);
      afterSpecial = false;
    }
    return ids;
  };
}

/** Tokens <0x00> to <0xFF>. */
function byteIdsOf(vocabulary: GgufVocabulary): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    const name = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
    return vocabulary.idOf.get(name) ?? -1;
  });
}

const byteToken = /^<0x([0-9A-Fa-f]{2})>$/;

function byteReader(vocabulary: GgufVocabulary, byteAlphabet: boolean): (id: number) => Uint8Array {
  const utf8 = new TextEncoder();
  const { tokens, kinds } = vocabulary;
  const verbatim = TOKEN_KIND.control | TOKEN_KIND.unknown | TOKEN_KIND.userDefined;
  return (id) => {
    const text = tokens[id]!;
    const kind = kinds[id]!;
    if ((kind & verbatim) !== 0) return utf8.encode(text);
    if ((kind & TOKEN_KIND.byte) !== 0) {
      const hex = byteToken.exec(text)?.[1];
      return hex === undefined ? new Uint8Array(0) : Uint8Array.of(Number.parseInt(hex, 16));
    }
    if ((kind & TOKEN_KIND.normal) === 0) return new Uint8Array(0);
    if (byteAlphabet) return bytesOfAlphabetText(text) ?? utf8.encode(text);
    return utf8.encode(text.replaceAll(metaspace, ' '));
  };
}

/** Ordinary byte-level tokens that hold other characters come from damaged bytes, or from a file of another kind. */
function checkAlphabet(checkpoint: Checkpoint, vocabulary: GgufVocabulary): void {
  const id = vocabulary.tokens.findIndex(
    (text, index) => vocabulary.kinds[index] === TOKEN_KIND.normal && text.includes('\ufffd'),
  );
  if (id < 0) return;
  throw new FormatError(
    `${checkpoint.name}: tokenizer.ggml.tokens[${id}] holds bytes that are not UTF-8. The file is damaged.`,
  );
}
