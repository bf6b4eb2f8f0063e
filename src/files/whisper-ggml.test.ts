/** Beside what whisper.cpp computes of files that its own tools wrote (scripts/fixtures/whisper_ggml.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { fixturesPath, hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { ggmlBytes, madeTokens, madeWhisper } from '../../test/whisper-ggml-file.ts';
import type { GgmlSpec } from '../../test/whisper-ggml-file.ts';
import { largestDifference } from '../../test/sound-pieces.ts';
import { createSoundDecoder } from '../engine/sound-decoder.ts';
import { nonSpeechTokens } from '../engine/speech/whisper/non-speech-tokens.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { FormatError } from '../tensor/errors.ts';
import { WHISPER_GGML_MAGIC } from './whisper-ggml.ts';
import { ggufTokenizer } from '../text/gguf-tokenizer.ts';
import { openGguf } from './gguf-reader.ts';
import { memoryFolder } from './memory-source.ts';
import { openCheckpoint } from './open-checkpoint.ts';
import { mergesOfRanks } from './whisper-ggml-vocabulary.ts';

interface Recorded {
  readonly prompt: number[];
  readonly cases: Readonly<Record<string, { readonly tokens: number[]; readonly least_lead: number; readonly first: number[] }>>;
}

/** Another folder of the same script: files of all types. */
const FOLDER = process.env['INGOT_WHISPER_GGML'] ?? `${fixturesPath}whisper`;
const { prompt, cases } = JSON.parse(readFileSync(`${FOLDER}/ggml.json`, 'utf8')) as Recorded;
const [BANDS, FRAMES] = [20, 100];
/** [frames, bands] */
const MEL = Float32Array.from({ length: FRAMES * BANDS }, (_, i) => {
  const [frame, band] = [Math.floor(i / BANDS), i % BANDS];
  return Math.sin(0.05 * (band + 1) * frame + band);
});

const open = (bytes: Uint8Array) => openCheckpoint({ folder: memoryFolder(new Map([['m.bin', bytes]]), 'test'), fileName: 'm.bin' });

describe.each(Object.keys(cases))('a file of whisper.cpp, %s', (name) => {
  it.each(['reference', 'cpu'])('gives its tokens and logits on the %s', async (device) => {
    const checkpoint = await open(new Uint8Array(readFileSync(`${FOLDER}/${name}.bin`)));
    const executor = device === 'cpu' ? await openExecutor({ device: 'cpu', threads: 1 }) : createReferenceExecutor();
    const decoder = await createSoundDecoder({ executor, decoder: await openDecoder(checkpoint), mostRows: FRAMES, sounds: 2 });
    try {
      const [one, other] = [await decoder.hear(MEL), await decoder.hear(MEL)];
      const outputs = [prompt.length - 1];
      const logits = await decoder.logits([{ sound: one!, tokens: prompt, outputs }]);
      const { first, tokens, least_lead: lead } = cases[name]!;
      // It keeps keys and values as halves, and reads GELU from a table of halves; blocks multiply rounded activations.
      expect(largestDifference(logits, first)).toBeLessThan(name.startsWith('f') ? 0.02 : 0.3);
      const [answer] = await decoder.greedy([other!], { prompt, endIds: [], maxTokens: tokens.length });
      if (lead > 0.05) expect(answer).toEqual(tokens);
    } finally {
      await decoder.dispose();
      await checkpoint.close();
    }
  });
});

const SIZES = [300, 4, 8, 2, 1, 32, 8, 2, 1, 3, 0];
const sound: GgmlSpec = {
  sizes: SIZES, bins: 5, tokens: madeTokens(280),
  tensors: [{ name: 'a', shape: [2, 3], bytes: new Uint8Array(24).fill(1) }, { name: 'b.bias', shape: [2, 1], bytes: new Uint8Array(8) }],
};

describe('the header', () => {
  it('gives sizes, filters, tokens and tensors, whose bytes it leaves', async () => {
    const filters = Float32Array.from({ length: 15 }, (_, i) => i / 15);
    const checkpoint = await open(ggmlBytes({ ...sound, filters }));
    expect(checkpoint).toMatchObject({ format: 'gguf', architecture: 'whisper' });
    const { metadata, tensors } = checkpoint;
    expect([
      'decoder.block_count', 'encoder.context_length', 'decoder.context_length', 'decoder.feed_forward_length', 'encoder.mels_count',
    ].map((key) =>
      metadata.get(`whisper.${key}`))).toEqual([1, 4, 32, 32, 3]);
    expect(metadata.get('whisper.mel_filters')).toEqual(filters);
    const found = [...tensors.values()].map(({ name, shape, type }) => [name, shape, type]);
    expect(found).toEqual([['a', [2, 3], 'f32'], ['b.bias', [2], 'f32']]);
    const bytes = new Uint8Array(24);
    await tensors.get('a')!.read(0, bytes);
    expect([...new Set(bytes)]).toEqual([1]);
    const tokenizer = ggufTokenizer(checkpoint);
    expect(tokenizer.vocabSize).toBe(300);
    expect([...tokenizer.endIds]).toEqual([280]);
    expect(tokenizer.decode(tokenizer.encode('ah, ja € 😀'))).toBe('ah, ja € 😀');
    expect(tokenizer.isSpecial(280) && tokenizer.isSpecial(299) && !tokenizer.isSpecial(279)).toBe(true);
  });

  it('reads as many bytes as headers have, not the data', async () => {
    const bytes = madeWhisper({ dim: 320, vocabSize: 4300, positions: 8, bands: 3, bins: 5, type: 'f32', tokens: madeTokens(300) });
    let read = 0;
    const whole = memoryFolder(new Map([['m.bin', bytes]]), 'test');
    const counting = {
      name: 'counting',
      async open(name: string) {
        const source = (await whole.open(name))!;
        return { ...source, read: (at: number, into: Uint8Array) => ((read += into.length), source.read(at, into)) };
      },
    };
    await openCheckpoint({ folder: counting, fileName: 'm.bin' });
    expect(read).toBeLessThan(0.2 * bytes.length);
    expect(bytes.length).toBeGreaterThan(5e6);
  });

  const lie = (at: number, value: number) => ({ sizes: SIZES.map((size, i) => (i === at ? value : size)) });
  const tensor = (more: Partial<GgmlSpec['tensors'][number]>) => ({ tensors: [{ ...sound.tensors[0]!, ...more }] });
  test.each<[string, Partial<GgmlSpec>, string]>([
    ['no vocabulary', lie(0, 0), 'expected the sizes of a Whisper model'],
    ['negative layers', lie(4, -1), 'expected the sizes of a Whisper model'],
    ['two widths', lie(6, 16), 'ggml files of GPT-2 and others begin alike'],
    ['heads that do not divide', lie(7, 3), 'expected the sizes of a Whisper model'],
    ['blocks of old', lie(10, 7), 'blocks of version 0'],
    ['other bands', { filterBands: 4 }, 'expected mel filters of 3 bands, found 4'],
    ['more bins than bytes', { bins: 1 << 23, filters: new Float32Array(15) }, 'ends early'],
    ['filters that are NaN', { filters: new Float32Array(15).fill(NaN) }, 'a mel filter is not a finite number'],
    ['more tokens than the vocabulary', { tokenCount: 301 }, 'lists 301 tokens for a vocabulary of 300'],
    ['a vocabulary far beyond its list', lie(0, 1 << 20), 'at most 4096 special ones are expected'],
    ['no tokens', { tokenCount: -1 }, 'lists -1 tokens'],
    ['an absurd shape', tensor({ shape: [2, -3] }), 'absurd shape [2, -3]'],
    ['a shape beyond 2^53', tensor({ shape: [2 ** 30, 2 ** 30, 2 ** 30] }), 'absurd shape'],
    ['data beyond the file', tensor({ shape: [2 ** 20, 2 ** 20] }), 'ends early'],
    ['an unknown type', tensor({ typeId: 99 }), 'ggml id 99'],
    ['half a block', tensor({ typeId: 2 }), 'needs a multiple of 32'],
    ['five dimensions', tensor({ shape: [1, 1, 1, 2, 3] }), '5 dimensions'],
    ['no name', tensor({ name: '' }), 'a name of 0 bytes'],
    ['a tensor twice', { tensors: [sound.tensors[0]!, sound.tensors[0]!] }, 'occurs twice'],
    ['another magic', { magic: 0x67676d66 }, 'is not a model file'],
  ])('%s is refused', async (_, change, message) => {
    await expect(open(ggmlBytes({ ...sound, ...change }))).rejects.toThrow(message);
  });

  it('cut anywhere is an error of the file, or ends between tensors', async () => {
    const bytes = ggmlBytes(sound);
    let whole = 0;
    for (let length = 4; length < bytes.length; length++) {
      try {
        await open(bytes.slice(0, length));
        whole++;
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }
    expect(whole).toBe(2);
    expect(String.fromCharCode(...bytes.subarray(0, 4))).toBe(WHISPER_GGML_MAGIC);
  });
});

describe('weights of every type', () => {
  it.each(['f32', 'f16', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q8_0', 'q4_k', 'q6_k'] as const)('%s are bound and read', async (type) => {
    const shape = { dim: 256, vocabSize: 300, positions: 4, bands: 4, bins: 5, tokens: madeTokens(280) };
    const checkpoint = await open(madeWhisper({ ...shape, type }));
    const { weights, warnings } = await openDecoder(checkpoint);
    expect(warnings).toEqual([]);
    expect(weights.get('encoder.conv1')!.type).toBe(type === 'f32' ? 'f32' : 'f16');
    const up = weights.get('decoder.layers.0.mlp.up')!;
    expect(up.type).toBe(type);
    const bytes = new Uint8Array(up.sizeBytes);
    await up.read(0, bytes);
    const values = new Float32Array(1024 * 256);
    decodeRows(type, bytes, values);
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(deviation).toBeGreaterThan(0.16);
    expect(deviation).toBeLessThan(0.19);
  });
});

describe.skipIf(!hasShared('vocab/qwen2.gguf'))('merges from ranks', () => {
  it('are those that a vocabulary of tiktoken came with', async () => {
    const bytes = new Uint8Array(readFileSync(`${sharedPath}/vocab/qwen2.gguf`));
    const { metadata } = await openGguf(memoryFolder(new Map([['v.gguf', bytes]]), 'test'), 'v.gguf');
    const merges = metadata.get('tokenizer.ggml.merges') as string[];
    const tokens = (metadata.get('tokenizer.ggml.tokens') as string[]).slice(0, 256 + 30_000);
    const found = mergesOfRanks(tokens);
    expect(found.length).toBe(30_000);
    expect(found).toEqual(merges.slice(0, 30_000));
  });

  it('marks of no speech are single tokens, notes, and the beginnings of a hyphen and a quotation mark', async () => {
    const bytes = new Uint8Array(readFileSync(`${sharedPath}/vocab/qwen2.gguf`));
    const tokenizer = ggufTokenizer(await openGguf(memoryFolder(new Map([['v.gguf', bytes]]), 'test'), 'v.gguf'));
    const ids = nonSpeechTokens(tokenizer);
    expect(ids).toEqual([...ids].toSorted((a, b) => a - b));
    const texts = new Set(ids.map((id) => tokenizer.tokenText(id)));
    for (const text of ['"', '(', 'Ġ(', '[', '>>', '--', 'Ġ-', "Ġ'", '~']) expect(texts).toContain(text);
    for (const text of ['-', "'", 'a', ',', '.', '?', '!']) expect(texts).not.toContain(text);
  });
});
