import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { hasLlamaPeer, loadInLlama } from '../../test/llama-peer.ts';
import { collect } from '../engine/collect.ts';
import { convertTensors } from '../files/convert-tensors.ts';
import { GgufWriter } from '../files/gguf-writer.ts';
import { madeVocabulary } from '../files/made-vocabulary.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { ggufExport } from '../models/gguf-export.ts';
import { bool, float32, string } from '../tensor/gguf-value.ts';
import type { GgufValue } from '../tensor/gguf-value.ts';
import { fileSink } from './file-sink.ts';
import { loadModel } from './load-model.ts';
import { locate } from './open-path.ts';

interface Variant {
  readonly golden: 'llama' | 'llama_bias' | 'qwen3';
  /** Keys without the architecture's prefix; undefined: taken away. */
  readonly keys?: Readonly<Record<string, GgufValue | undefined>>;
  /** Tensors that the file goes without. */
  readonly without?: RegExp;
}

const each = (value: number, layers = 3): GgufValue => ({
  type: 'array',
  itemType: 'uint32',
  value: Array.from({ length: layers }, () => value),
});
const biasesBut = (kept: string) => new RegExp(`blk\\.\\d+\\.(?!(?:${kept})\\.)[a-z_]+\\.bias$`);

const VARIANTS: readonly (readonly [name: string, variant: Variant, changes: boolean])[] = [
  [
    'linear scaling beside rope_freqs',
    { golden: 'llama', keys: { 'rope.scaling.type': string('linear'), 'rope.scaling.factor': float32(4) } },
    true,
  ],
  ['a factor without a type', { golden: 'qwen3', keys: { 'rope.scaling.factor': float32(4) } }, true],
  ['scale_linear', { golden: 'qwen3', keys: { 'rope.scale_linear': float32(2.5) } }, true],
  [
    'scale_linear beside another factor',
    { golden: 'qwen3', keys: { 'rope.scale_linear': float32(2.5), 'rope.scaling.factor': float32(4) } },
    true,
  ],
  ['a factor of 0', { golden: 'qwen3', keys: { 'rope.scaling.factor': float32(0) } }, false],
  ['a factor of type none', { golden: 'qwen3', keys: { 'rope.scaling.type': string('none'), 'rope.scaling.factor': float32(4) } }, false],
  ['attn_factor', { golden: 'llama', keys: { 'rope.scaling.attn_factor': float32(1.4) } }, true],
  [
    'attn_factor beside linear scaling',
    { golden: 'qwen3', keys: { 'rope.scaling.attn_factor': float32(0.6), 'rope.scaling.factor': float32(3) } },
    true,
  ],
  ['causal false, llama', { golden: 'llama', keys: { 'attention.causal': bool(false) } }, true],
  ['causal false, qwen3', { golden: 'qwen3', keys: { 'attention.causal': bool(false) } }, true],
  ['no base of the rotation', { golden: 'qwen3', keys: { 'rope.freq_base': undefined } }, true],
  ['biases of q, k and v', { golden: 'llama_bias', without: biasesBut('attn_q|attn_k|attn_v') }, true],
  ['a bias of q', { golden: 'llama_bias', without: biasesBut('attn_q') }, true],
  ['biases of v and o', { golden: 'llama_bias', without: biasesBut('attn_v|attn_output') }, true],
  ['biases of gate and down', { golden: 'llama_bias', without: biasesBut('ffn_gate|ffn_down') }, true],
  ['a bias of up beside one of k', { golden: 'llama_bias', without: biasesBut('ffn_up|attn_k') }, true],
];

const FOLDER = `${fixturesPath}golden`;
const STEPS = 16;

interface Golden {
  readonly prompts: Readonly<Record<string, number[]>>;
  readonly greedy: Readonly<Record<string, number[]>>;
}

const goldenOf = (name: string) => JSON.parse(readFileSync(`${FOLDER}/${name}/golden.json`, 'utf8')) as Golden;

async function writeVariant({ golden, keys = {}, without }: Variant, path: string): Promise<void> {
  const checkpoint = await openCheckpoint(await locate(`${FOLDER}/${golden}`));
  try {
    const { config, metadata, tensors: all } = await ggufExport(checkpoint, { type: 'f32', modelName: golden });
    for (const [key, value] of Object.entries(keys)) {
      metadata.delete(`${config.architecture}.${key}`);
      if (value !== undefined) metadata.set(`${config.architecture}.${key}`, value);
    }
    const fixed = new Map(
      [
        [0, '<pad>'],
        [1, '<s>'],
        [2, '</s>'],
      ].map(([id, text]) => [id as number, { text: text as string, control: true }]),
    );
    for (const [key, value] of madeVocabulary({
      vocabSize: config.vocabSize,
      fixed,
      pre: 'gpt-2',
      bosId: 1,
      eosId: 2,
      padId: 0,
      addBos: false,
    }))
      metadata.set(key, value);
    const tensors = all.filter(({ name }) => without?.test(name) !== true);
    const writer = await GgufWriter.open(await fileSink(path), { metadata, tensors });
    await convertTensors(writer, tensors, {});
    await writer.close();
  } finally {
    await checkpoint.close();
  }
}

describe.skipIf(!hasLlamaPeer)('settings of GGUF files mean here what they mean in llama.cpp', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-settings-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function expectSame(variant: Variant, changes: boolean): Promise<void> {
    const path = join(folder, 'model.gguf');
    await writeVariant(variant, path);
    const ids = goldenOf(variant.golden).prompts['long'] as number[];
    const peer = await loadInLlama(path, 256);
    const model = await loadModel(path, { device: 'cpu', threads: 1 });
    try {
      const want = await peer.greedy(ids, STEPS);
      // What would pass without the setting proves nothing.
      if (changes) expect(want).not.toEqual(goldenOf(variant.golden).greedy['long']?.slice(0, want.length));
      const { tokens } = await collect(model.generate({ ids, temperature: 0, ignoreEos: true, maxTokens: want.length }));
      expect(tokens).toEqual(want);
      expect(model.info.warnings).toEqual([]);
    } finally {
      await model.dispose();
      await peer.dispose();
    }
  }

  test.each(VARIANTS)('%s', (_, variant, changes) => expectSame(variant, changes), 240_000);

  test('counts layer by layer', async () => {
    const keys = { 'attention.head_count': each(4), 'attention.head_count_kv': each(2), feed_forward_length: each(192) };
    await expectSame({ golden: 'qwen3', keys }, false);
  }, 240_000);
});
