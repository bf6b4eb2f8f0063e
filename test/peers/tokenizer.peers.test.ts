import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openGguf } from '../../src/files/gguf-reader.ts';
import { vocabularyMetadata } from '../../src/files/vocabulary-metadata.ts';
import { memoryFolder } from '../../src/files/memory-source.ts';
import { BYTE_CHARS } from '../../src/tensor/byte-alphabet.ts';
import { ggufTokenizer } from '../../src/text/gguf-tokenizer.ts';
import { infillTokens } from '../../src/text/infill-tokens.ts';
import { preTokenizerKind, preTokenizerNames } from '../../src/text/pre-tokenizer-kinds.ts';
import type { GgufValue } from '../../src/tensor/gguf-value.ts';
import { uint32 } from '../../src/tensor/gguf-value.ts';
import type { Tokenizer } from '../../src/text/tokenizer.ts';
import { createRandom, fuzzTexts } from '../fuzz-text.ts';
import { sharedPath } from '../fixture-tensors.ts';
import { recordedFile, recordedTexts, recordedTokenizers } from '../recorded-tokenizers.ts';
import { hasVocabularyPeer, openVocabularyPeer } from '../vocabulary-peer.ts';
import type { VocabularyPeer } from '../vocabulary-peer.ts';
import { vocabularyFile } from '../vocabulary-file.ts';

const vocabularies = `${sharedPath}/vocab/`;
const hasVocabularies = existsSync(`${vocabularies}qwen2.gguf`);

async function tokenizerOf(bytes: Uint8Array): Promise<Tokenizer> {
  const checkpoint = await openGguf(memoryFolder(new Map([['vocabulary.gguf', bytes]]), 'test'), 'vocabulary.gguf');
  return ggufTokenizer(checkpoint);
}

interface Difference {
  readonly text: string;
  readonly parseSpecial: boolean;
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
}

function firstDifference(
  tokenizer: Tokenizer,
  tokenize: (text: string, parse: boolean) => number[],
  texts: readonly string[],
): Difference | undefined {
  for (const text of texts) {
    for (const parseSpecial of [false, true]) {
      const ours = tokenizer.encode(text, { parseSpecial });
      const theirs = [...tokenize(text, parseSpecial)];
      if (ours.join() !== theirs.join()) return { text, parseSpecial, ours, theirs };
    }
  }
  return undefined;
}

let peer: VocabularyPeer;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-tokenizer-'));
  if (hasVocabularyPeer) peer = await openVocabularyPeer();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!hasVocabularyPeer)('tokens around a gap', () => {
  const families: readonly (readonly string[])[] = [
    ['<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>', '<|fim_pad|>', '<|file_sep|>'], ['<fim_prefix>', '<fim_suffix>', '<fim_middle>'],
    ['<fim-prefix>', '<fim-suffix>', '<fim-middle>'], ['\u2581<PRE>', '\u2581<SUF>', '\u2581<MID>'],
    ['<\uff5cfim\u2581begin\uff5c>', '<\uff5cfim\u2581hole\uff5c>', '<\uff5cfim\u2581end\uff5c>'],
    ['<|code_prefix|>', '<|code_suffix|>', '<|code_middle|>'], ['<one>', '<two>', '<three>'],
  ];
  const more = (keys: readonly string[]): Record<string, GgufValue> =>
    Object.fromEntries(keys.map((key, i) => [`tokenizer.ggml.${key}_token_id`, uint32(259 - i)]));
  test.each<[string, readonly string[], Record<string, GgufValue>]>([
    ...families.map((names): [string, readonly string[], Record<string, GgufValue>] => [names[0]!, names, {}]),
    ['keys', families.at(-1)!, more(['fim_pre', 'fim_suf', 'fim_mid'])],
    ['older keys', families.at(-1)!, more(['prefix', 'suffix', 'middle'])],
    ['keys before names', families[0]!, more(['fim_pre', 'fim_suf', 'fim_mid'])],
  ])('are those of llama.cpp: %s', async (_, names, keys) => {
    const tokens = [...BYTE_CHARS, 'ab', ...names];
    const types = tokens.map((_token, id) => (id <= BYTE_CHARS.length ? 1 : 3));
    const bytes = vocabularyFile({ model: 'gpt2', pre: 'qwen2', tokens, merges: ['a b'], types, more: keys });
    const path = join(folder, 'infill.gguf');
    writeFileSync(path, bytes);
    const theirs = await peer.use(path, (model) => {
      const { prefix, suffix, middle } = model.tokens.infill;
      return { found: { prefix, suffix, middle }, ends: tokens.map((_token, id) => id).filter((id) => model.isEogToken(id)) };
    });
    const checkpoint = await openGguf(memoryFolder(new Map([['v.gguf', bytes]]), 'test'), 'v.gguf');
    const ours = infillTokens(checkpoint, ggufTokenizer(checkpoint));
    if (ours === undefined) return expect(theirs.found).toEqual({ prefix: null, suffix: null, middle: null });
    const { ends, ...found } = ours;
    expect(found).toEqual(theirs.found);
    expect(ends.filter((id) => !theirs.ends.includes(id))).toEqual([]);
  });
});

describe.skipIf(!hasVocabularyPeer || !hasVocabularies)('real vocabularies give the ids of llama.cpp on fuzzed texts', () => {
  test.each(['qwen2', 'llama-bpe', 'llama-spm', 'gemma-4'])('%s, 2,500 texts, special tokens parsed and not', async (name) => {
    const path = `${vocabularies}${name}.gguf`;
    const tokenizer = await tokenizerOf(new Uint8Array(readFileSync(path)));
    await peer.use(path, (model) => {
      const found = firstDifference(tokenizer, (text, parse) => model.tokenize(text, parse), fuzzTexts(2500, name.length));
      expect(found).toBeUndefined();
      const ends = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter((id) => model.isEogToken(id));
      expect([...tokenizer.endIds].sort((a, b) => a - b)).toEqual(ends);
    });
  });
});

const mergeCount = 16_000;

/** Pairs of bytes by chance merge, in an order by chance: whatever the words are, other words would soon give other ids. */
function pairsVocabulary(pre: string): Uint8Array {
  const random = createRandom(1);
  const merges = BYTE_CHARS.flatMap((left) => BYTE_CHARS.map((right) => `${left} ${right}`));
  for (let at = merges.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [merges[at], merges[other]] = [merges[other]!, merges[at]!];
  }
  // Pairs of ASCII first, since most borders lie between two of them.
  const isAscii = (merge: string) => merge.charCodeAt(0) < 0x80 && merge.charCodeAt(2) < 0x80;
  const kept = [...merges.filter(isAscii), ...merges.filter((merge) => !isAscii(merge))].slice(0, mergeCount);
  const tokens = [...BYTE_CHARS, ...kept.map((merge) => merge.replace(' ', ''))];
  return vocabularyFile({ model: 'gpt2', pre, tokens, merges: kept });
}

/** Characters of the fuzzed texts, bytes, and pairs of characters, in UTF-8 with U+2581 for spaces. */
function rawVocabulary(pre: string): Uint8Array {
  const random = createRandom(2);
  const chars = [...new Set('\u2581\nabcdefghijklmnopqrstuvwxyzABCTHE0123456789.,!<>|_ééа你好😀')];
  const pairs = chars.flatMap((left) => chars.map((right) => `${left} ${right}`)).filter(() => random() < 0.5);
  const merges = [...pairs, '\n\n \n', '\u2581\u2581 \u2581\u2581'].filter((merge) => !/^\n \n$|^\u2581 \u2581$/.test(merge));
  merges.unshift('\n \n', '\u2581 \u2581');
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const tokens = [...new Set([...bytes, ...chars, ...merges.map((merge) => merge.replace(' ', ''))])];
  const bos = uint32(0);
  return vocabularyFile({
    model: 'gpt2',
    pre,
    tokens,
    merges,
    more: { 'tokenizer.ggml.bos_token_id': bos, 'tokenizer.ggml.eos_token_id': bos },
  });
}

async function compare(bytes: Uint8Array, texts: readonly string[]): Promise<Difference | undefined> {
  const path = join(folder, 'made.gguf');
  writeFileSync(path, bytes);
  const tokenizer = await tokenizerOf(bytes);
  return peer.use(path, (model) => firstDifference(tokenizer, (text, parse) => model.tokenize(text, parse), texts));
}

/** These write UTF-8 and not the byte alphabet. */
const rawKinds = ['gemma4', 'granite-embed-multi-311m', 'sarvam-moe'];
/** Newer than the peers' llama.cpp, which refuses them. */
const newerKinds = ['spark2_5', 'hy_v4', 'ufakzeka'];
const names = preTokenizerNames().filter((name) => !newerKinds.includes(name));
const byteKinds = names.filter((name) => !rawKinds.includes(name));

describe.skipIf(!hasVocabularyPeer)('every kind of `pre` splits as llama.cpp does', () => {
  const isFirst = (pre: string) => pre === byteKinds.find((name) => preTokenizerKind(name) === preTokenizerKind(pre));
  test.each(byteKinds.filter(isFirst))('%s', async (pre) => {
    expect(await compare(pairsVocabulary(pre), fuzzTexts(600, 77))).toBeUndefined();
  });

  // Further names of the same kinds.
  test.each(byteKinds.filter((pre) => !isFirst(pre)))('%s', { tags: 'slow' }, async (pre) => {
    expect(await compare(pairsVocabulary(pre), fuzzTexts(60, 77))).toBeUndefined();
  });

  test.each(names.filter((name) => rawKinds.includes(name)))('%s, raw UTF-8', async (pre) => {
    expect(await compare(rawVocabulary(pre), fuzzTexts(600, 78))).toBeUndefined();
  });
});

describe.skipIf(!hasVocabularyPeer || !hasVocabularies)('a real vocabulary with another `pre` splits as llama.cpp does', () => {
  test.each(['default', 'gpt-2', 'llama-bpe', 'qwen35', 'deepseek-llm', 'deepseek-v3', 'falcon', 'tekken', 'gpt-4o'])('%s', async (pre) => {
    const bytes = new Uint8Array(readFileSync(`${vocabularies}qwen2.gguf`));
    expect(await compare(withPre(bytes, pre), fuzzTexts(400, 79))).toBeUndefined();
  });
});

describe.skipIf(!hasVocabularyPeer)('a vocabulary that convert wrote gives the ids of the library tokenizers in llama.cpp too', () => {
  test.each(['llama-2', 'mistral-old', 'mistral-new', 'gemma', 'gemma-old', 'bert', 'tekken'])('%s', async (name) => {
    const recorded = recordedTokenizers.find((each) => each.name === name)!;
    const assets = new Map([['tokenizer.json', recordedFile(recorded)] as const]);
    const metadata = vocabularyMetadata({ assets, config: {}, architecture: 'llama', vocabSize: 800, name });
    const path = join(folder, 'converted.gguf');
    writeFileSync(path, vocabularyFile({ model: 'llama', tokens: [], more: Object.fromEntries(metadata) }));
    // Of other scripts, of what is no character, and of long words llama.cpp's WordPiece has ideas of its own.
    const isPlain = (text: string) => /^[\n\t -~\u00e0-\u00ff]*$/.test(text) && !/\S{40}/.test(text);
    // It puts a space before texts that begin with one, and behind added tokens: what convert warns of.
    const isAlike = (text: string, hasAdded: boolean) => !hasAdded && !/^[ \u2581]|<extra>/.test(text);
    const cases = recorded.cases.filter(([index, , , plain]) => {
      const text = recordedTexts[index]!;
      return name === 'bert' ? isPlain(text) : name !== 'mistral-new' || isAlike(text, plain !== null);
    });
    expect(cases.length).toBeGreaterThan(30);
    await peer.use(path, (model) => {
      const other = cases.filter(([index, ids]) => [...model.tokenize(recordedTexts[index]!, true)].join() !== ids.join());
      expect(other.map(([index]) => recordedTexts[index])).toEqual([]);
    });
  });
});

/** A copy with another `tokenizer.ggml.pre`; a file without tensors has no offsets that would move. */
function withPre(file: Uint8Array, pre: string): Uint8Array {
  const key = Buffer.from('tokenizer.ggml.pre');
  const at = Buffer.from(file.buffer).indexOf(key) + key.length + 4;
  const oldLength = Number(new DataView(file.buffer).getBigUint64(at, true));
  const value = Buffer.alloc(8 + pre.length);
  value.writeBigUInt64LE(BigInt(pre.length));
  value.write(pre, 8);
  return new Uint8Array(Buffer.concat([file.subarray(0, at), value, file.subarray(at + 8 + oldLength)]));
}
