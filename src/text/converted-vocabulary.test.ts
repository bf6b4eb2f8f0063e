/** Vocabularies that convert writes, read again: the ids are those that the library tokenizers gives from the tokenizer.json. */
import { describe, expect, it } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import { recordedFile, recordedTexts, recordedTokenizers } from '../../test/recorded-tokenizers.ts';
import { vocabularyMetadata, vocabularyWarnings } from '../files/vocabulary-metadata.ts';
import type { AssetName, MetadataValue } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { tokenizerFromCheckpoint } from './tokenizer-from-checkpoint.ts';
import type { Tokenizer } from './tokenizer.ts';

type Change = (file: Record<string, unknown>) => unknown;

/** Beyond every id of the recorded ones. */
const ROWS = 800;

function sourceOf(name: string, change: Change = (file) => file) {
  const recorded = recordedTokenizers.find((each) => each.name === name)!;
  const text = JSON.stringify(change(JSON.parse(recordedFile(recorded)) as Record<string, unknown>));
  return { recorded, source: { ...of('llama'), assets: new Map<AssetName, string>([['tokenizer.json', text]]) } };
}

const of = (architecture: string) => ({ config: {}, architecture, vocabSize: ROWS, name: 'folder' });

async function reread(metadata: ReturnType<typeof vocabularyMetadata>): Promise<Tokenizer> {
  const values = Object.fromEntries([...metadata].map(([key, { value }]) => [key, value as MetadataValue]));
  return (await tokenizerFromCheckpoint(memoryCheckpoint({ format: 'gguf', architecture: 'llama', tensors: {}, metadata: values })))!;
}

describe('a vocabulary that is converted', () => {
  // SentencePiece with a space before the text, and without one; WordPiece; byte-level BPE.
  const names = ['llama-2', 'mistral-old', 'mistral-new', 'gemma', 'gemma-old', 'bert', 'llama-3', 'tekken', 'gpt-2'];
  it.each(names)('%s gives the same ids', async (name) => {
    const { recorded, source } = sourceOf(name);
    const tokenizer = await reread(vocabularyMetadata(source));
    for (const [index, ids, withSpecial, plain] of recorded.cases) {
      const text = recordedTexts[index]!;
      expect(tokenizer.encode(text, { parseSpecial: true }), text).toEqual(ids);
      expect(tokenizer.encode(text, { parseSpecial: true, addSpecial: true }), text).toEqual(withSpecial ?? ids);
      expect(tokenizer.encode(text), text).toEqual(plain ?? ids);
      expect(tokenizer.decode(ids, { skipSpecial: true }), text).toBe((await original(name)).decode(ids, { skipSpecial: true }));
    }
    expect(recorded.cases.length).toBeGreaterThan(50);
  });

  it('of BERT keeps upper case where the tokenizer does', async () => {
    const { source } = sourceOf('bert', (file) => ({ ...file, normalizer: { ...(file['normalizer'] as object), lowercase: false } }));
    const metadata = vocabularyMetadata(source);
    expect(metadata.get('tokenizer.ggml.normalizer.lowercase')?.value).toBe(false);
    expect(metadata.get('tokenizer.ggml.normalizer.strip_accents')?.value).toBe(false);
    const tokenizer = await reread(metadata);
    const cased = await fromJson(source.assets);
    for (const text of ['Hello, World!', 'café CAFÉ', 'ΑΣ Straße'])
      expect(tokenizer.encode(text, { addSpecial: true }), text).toEqual(cased.encode(text, { addSpecial: true }));
  });

  it('of BERT may be a vocab.txt', async () => {
    const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'un', '##aff', '##able', ',', 'fox'];
    const metadata = vocabularyMetadata({ ...of('bert'), assets: new Map([['vocab.txt', tokens.join('\n')]]) });
    // As in word-piece-file.test.ts.
    expect((await reread(metadata)).encode('Unaffable, fox', { addSpecial: true })).toEqual([2, 5, 6, 7, 8, 9, 3]);
    // Elsewhere a vocab.txt says nothing of how a text is cut.
    const other = vocabularyMetadata({ ...of('llama'), assets: new Map([['vocab.txt', tokens.join('\n')]]) });
    expect(other.has('tokenizer.ggml.tokens')).toBe(false);
  });

  it.each<[string, string, Change | undefined, string]>([
    ['spaces that also split', 'mistral-new', marks({ split: true }), 'normalizer null, pre_tokenizer {"type":"Metaspace"'],
    ['whole words without merges', 'llama-2', inModel({ ignore_merges: true }), '(ignore_merges)'],
    ['no merges of a token', 'llama-2', inModel({ merges: [] }), 'that no merges make the token'],
    ['merges of a token here and there', 'llama-2', interleaved, 'come before and behind those of other tokens'],
    ['another normalizer of SentencePiece', 'llama-2', normalized({ type: 'NFKC' }), 'normalizer {"type":"NFKC"}'],
    ['another normalizer of bytes', 'gpt-2', normalized({ type: 'Lowercase' }), 'the normalizer {"type":"Lowercase"}'],
    ['other marks within words', 'bert', inModel({ continuing_subword_prefix: '@@' }), 'that the pieces of a word begin with "@@"'],
    ['longer words of WordPiece', 'bert', inModel({ max_input_chars_per_word: 9 }), 'words of more than 9 characters'],
    ['nothing around a text of BERT', 'bert', (file) => ({ ...file, post_processor: null }), 'the ids none before a text'],
    ['unigrams', 't5', undefined, 'only BPE and WordPiece can be converted, found "Unigram"'],
  ])('is refused with what to do: %s', (_, name, change, message) => {
    const converting = () => vocabularyMetadata(sourceOf(name, change).source);
    expect(converting).toThrow(FormatError);
    expect(converting).toThrow(message);
    expect(converting).toThrow('Convert with `--vocabulary none` or `made`, which leave the tokenizer out.');
  });

  it('puts a space before a text that has none, and behind added tokens where the tokenizer does', async () => {
    const { source } = sourceOf('mistral-new', marks({ prepend_scheme: 'always' }));
    const [made, wanted] = [await reread(vocabularyMetadata(source)), await fromJson(source.assets)];
    for (const text of ['hello', ' hello', '  the', '\u2581a', '[INST] a [/INST]b', '[INST]the[/INST] the</s>', '</s>hello'])
      expect(made.encode(text, { parseSpecial: true }), text).toEqual(wanted.encode(text, { parseSpecial: true }));
  });

  it('is told of what its added tokens lose, and of spaces that other readers put', () => {
    expect(vocabularyWarnings(sourceOf('llama-2').source)).toEqual([]);
    expect(vocabularyWarnings(sourceOf('mistral-new').source)).toEqual([
      expect.stringContaining('folder: where its tokenizer puts a space before a text is in a key of Ingot\'s own'),
    ]);
    expect(vocabularyWarnings(sourceOf('phi-3').source)).toEqual([
      'folder: GGUF cannot say lstrip, rstrip and single_word, which tokenizer.json says of [MASK], <extra>, <pad>.',
    ]);
  });
});

function inModel(change: object): Change {
  return (file) => ({ ...file, model: { ...(file['model'] as object), ...change } });
}

function marks(change: object): Change {
  return (file) => ({ ...file, pre_tokenizer: { ...(file['pre_tokenizer'] as object), ...change } });
}

function normalized(normalizer: object): Change {
  return (file) => ({ ...file, normalizer });
}

/** The first merge stands a second time, behind all others. */
function interleaved(file: Record<string, unknown>): unknown {
  const model = file['model'] as { readonly merges: readonly unknown[] };
  return inModel({ merges: [...model.merges, model.merges[0]] })(file);
}

const originals = new Map<string, Tokenizer>();
async function original(name: string): Promise<Tokenizer> {
  const found = originals.get(name) ?? await fromJson(sourceOf(name).source.assets);
  originals.set(name, found);
  return found;
}

async function fromJson(assets: ReadonlyMap<AssetName, string>): Promise<Tokenizer> {
  const checkpoint = memoryCheckpoint({ format: 'safetensors', architecture: 'llama', tensors: {}, config: {} });
  return (await tokenizerFromCheckpoint({ ...checkpoint, assets }))!;
}
