import { describe, expect, test } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import { memorySink } from '../files/byte-sink.ts';
import type { ByteSink } from '../files/byte-sink.ts';
import { blockPool } from '../files/synth-blocks.ts';
import { synthVocabulary } from '../files/synth-vocabulary.ts';
import { SYNTH_MODELS, SYNTH_TYPES, synthPlan } from '../models/synth-shapes.ts';
import { knownTower, openTower } from '../models/vision-towers.ts';
import { bindWeights } from '../models/weight-spec.ts';
import type { MetadataValue } from '../tensor/checkpoint.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import { bytesOfElements, TENSOR_TYPES, WEIGHT_TYPES } from '../tensor/tensor-type.ts';
import { synth } from './synth.ts';

/** Keeps the first bytes of a file and counts the rest. */
function keepingSink(keepBytes: number): ByteSink & { readonly kept: Uint8Array; total: number } {
  const kept = new Uint8Array(keepBytes);
  return {
    name: 'made', kept, total: 0,
    async write(bytes) {
      if (this.total < keepBytes) kept.set(bytes.subarray(0, keepBytes - this.total), this.total);
      this.total += bytes.length;
    },
    async close() {},
    async abort() {},
  };
}

describe('blockPool', () => {
  test.each(WEIGHT_TYPES)('%s decodes to values of the spread asked for, around zero', (type) => {
    const blocks = Math.ceil(65536 / TENSOR_TYPES[type].blockSize);
    const values = new Float32Array(blocks * TENSOR_TYPES[type].blockSize);
    decodeRows(type, blockPool({ type, blocks, deviation: 0.03, seed: 1 }), values);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    expect(Math.abs(mean)).toBeLessThan(0.002);
    expect(deviation / 0.03).toBeGreaterThan(0.95);
    expect(deviation / 0.03).toBeLessThan(1.05);
  });
});

describe('synth', () => {
  test.each(SYNTH_MODELS.flatMap((model) => SYNTH_TYPES.map((type) => [model, type] as const)))(
    '%s %s has the parameters of the real model',
    (model, type) => {
      // Counts published with the models, tied embeddings counted once.
      const published = {
        'qwen3-0.6b': 596_049_920,
        'qwen3-4b': 4_022_468_096,
        'llama-3.2-1b': 1_235_814_400,
        'llama-3.2-3b': 3_212_749_824,
        'qwen3-1.7b': 1_720_574_976,
        'qwen3-8b': 8_190_735_360,
        'qwen2.5-1.5b': 1_543_714_304,
        'smollm3-3b': 3_075_098_624,
        'phi-4-mini': 3_836_021_760,
        'gemma-3-1b': 999_885_952,
        'lfm2.5-1.2b': 1_170_340_608,
        // Of the text part, as transformers counts it.
        'gemma-4-e2b': 4_628_569_344 + 35,
        'qwen3-30b-a3b': 30_532_122_624,
        // 8.3 billion by its card, reckoned by hand to the last: table, norms, 18 convolutions, 6 attentions, 2 MLPs, 22 mixtures.
        'lfm2-8b-a1b': 134_217_728 + 49 * 2048 + 18 * (4 * 2048 ** 2 + 3 * 2048) + 6 * (2.5 * 2048 ** 2 + 128)
          + 2 * 3 * 2048 * 7168 + 22 * (32 * 3 * 2048 * 1792 + 32 * 2048 + 32),
        'gpt-oss-20b': 20_914_757_184,
        // 1.5 billion by its card, reckoned by hand: the language model, ears, adapter, tables of codes, depth transformer, vocoder.
        'lfm2.5-audio-1.5b': 1_170_340_608 + 2_236_928 + 17 * (2 * 2_099_712 + 8 * 512 ** 2 + 14_848) + 5_248_000 + 8 * 2049 * 2048
          + 8 * (4097 * 1024 + 2048) + 6 * (2560 * 1024 + 64 + 2048 + 3 * 1024 * 2816)
          + 17_666 * 512 + 1282 + 512 + 5 * (4 * 512 ** 2 + 2048) + 3 * (3 * 512 ** 2 + 576) + 8 * (512 + 3 * 512 * 2304),
        // As transformers counts them.
        'qwen3.5-0.8b': 752_393_024,
        'qwen3.5-4b': 4_205_751_296,
        'qwen3.5-35b-a3b': 34_660_610_688,
        // As transformers counts them, but that two biases of each memory are one, and so are gains and biases of norms of batches.
        'parakeet-tdt-0.6b': 627_008_134 - 2 * 4 * 640 - 24 * 1024,
        // As transformers counts them.
        'whisper-tiny': 37_760_640,
        'whisper-base': 72_593_920,
        'whisper-small': 241_734_912,
        'whisper-medium': 763_857_920,
        'whisper-large-v3': 1_543_490_560,
        'whisper-large-v3-turbo': 808_878_080,
        // Of the language model.
        'lfm2.5-vl-1.6b': 1_170_340_608,
        'qwen3-vl-2b': 1_720_574_976,
      };
      const { tensors } = synthPlan(model, type);
      const elements = tensors
        .filter(({ name }) => !name.startsWith('rope_'))
        .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
      expect(elements).toBe(published[model]);
    },
  );

  test('qwen3-0.6b q4_0 takes 335 MB and its vocabulary, and no two rows of its head are equal', async () => {
    const { tensors, config } = synthPlan('qwen3-0.6b', 'q4_0');
    const head = tensors.find(({ name }) => name === 'token_embd.weight')!;
    expect(tensors[0]).toBe(head);
    const headBytes = bytesOfElements('q4_0', config.vocabSize * config.dim);
    const sink = keepingSink(headBytes + 16_000_000);
    const { sizeBytes } = await synth(sink, { model: 'qwen3-0.6b', type: 'q4_0' });
    expect(sink.total).toBe(sizeBytes);
    expect(sizeBytes).toBeGreaterThan(335e6);
    expect(sizeBytes).toBeLessThan(342e6);
    const dataBytes = tensors.reduce((sum, { type, shape }) => sum + bytesOfElements(type, shape.reduce((a, b) => a * b, 1)), 0);
    const rows = new Set<string>();
    const rowBytes = headBytes / config.vocabSize;
    for (let row = 0; row < config.vocabSize; row++) {
      const at = sizeBytes - dataBytes + row * rowBytes;
      rows.add(Buffer.from(sink.kept.buffer, at, 54).toString('latin1'));
    }
    expect(rows.size).toBe(config.vocabSize);
  });

  test('the first layers alone have their part of every list of layers', () => {
    const { config, tensors } = synthPlan('gpt-oss-20b', 'q4_0', 3);
    expect(config).toMatchObject({ layers: 3, window: { layers: [true, false, true] }, mixture: { layers: [true, true, true] } });
    const typeOf = Object.fromEntries(tensors.map(({ name, type }) => [name, type]));
    expect(typeOf).toMatchObject({
      'blk.2.ffn_gate_exps.weight': 'q4_0', 'blk.2.ffn_gate_exps.bias': 'f32', 'blk.2.ffn_gate_inp.weight': 'f32',
      'blk.2.attn_sinks.weight': 'f32',
    });
    expect(tensors.some(({ name }) => name.startsWith('blk.3.'))).toBe(false);
    expect(synthPlan('gemma-4-e2b', 'q4_0', 20).config).toMatchObject({ layers: 20 });
    expect(() => synthPlan('qwen3-0.6b', 'q4_0', 29)).toThrow(/layers must be from 1 to 28, the layers of qwen3-0.6b; found 29/);
  });

  test.each(['lfm2.5-vl-1.6b', 'qwen3-vl-2b'] as const)('%s has a tower that its family reads, of all its parameters', (model) => {
    const { projector, config } = synthPlan(model, 'q4_0');
    const { metadata, tensors } = projector!;
    const shapes = Object.fromEntries(tensors.map(({ name, shape, type }) => [name, { shape, type }]));
    const values = Object.fromEntries([...metadata].map(([key, { value }]) => [key, value as MetadataValue]));
    const checkpoint = memoryCheckpoint({ format: 'gguf', architecture: 'clip', metadata: values, tensors: shapes });
    const whole = { ...checkpoint, projector: { checkpoint, isNamed: true } };
    const tower = openTower(knownTower(whole)!, { outDim: config.dim, usualPatches: 64 });
    const { weights } = bindWeights(checkpoint, tower.weights, tower.skips);
    const parameters = [...weights.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    // By hand: patches, positions, layers (4,304 within, in whole blocks of 32), norms, projector; and three further mergers.
    const layer = (dim: number, ffn: number) => 4 * dim * dim + 9 * dim + 2 * dim * ffn + ffn;
    const merger = 4096 * 4096 + 4096 + 4096 * 2048 + 2048;
    expect(parameters).toBe(model === 'lfm2.5-vl-1.6b'
      ? 769 * 1152 + 256 * 1152 + 26 * layer(1152, 4320) + 2 * 1152 + 2 * 4608 + 4609 * 2560 + 2561 * 2048
      : 1537 * 1024 + 2304 * 1024 + 24 * layer(1024, 4096) + 2 * 1024 + 4 * merger + 3 * 2 * 4096);
    expect(tower.deep).toBe(model === 'lfm2.5-vl-1.6b' ? 0 : 3);
  });

  test('the same seed gives the same file, another one another', () => {
    const pool = (seed: number) => Buffer.from(blockPool({ type: 'q4_k', blocks: 10, deviation: 0.03, seed })).toString('hex');
    expect(pool(1)).toBe(pool(1));
    expect(pool(2)).not.toBe(pool(1));
  });

  test('what it does not know', async () => {
    await expect(synth(memorySink('x'), { model: 'x' as 'qwen3-4b', type: 'q4_0' })).rejects.toThrow(/must be one of qwen3-0.6b/);
    await expect(synth(memorySink('x'), { model: 'qwen3-4b', type: 'bf16' as 'q4_0' })).rejects.toThrow(/must be one of f16/);
    await expect(synth(memorySink('x'), { model: 'qwen3-4b', type: 'q4_0', seed: 0.5 })).rejects.toThrow(/seed must be an integer/);
  });

  test('cancelling stops it', async () => {
    const stop = new AbortController();
    const running = synth(keepingSink(0), {
      model: 'qwen3-4b',
      type: 'q8_0',
      signal: stop.signal,
      onProgress: ({ loaded }) => loaded > 1e7 && stop.abort(new Error('enough')),
    });
    await expect(running).rejects.toThrow('enough');
  });

  test.each([
    ['chatml', 151_936, 151_645, '<|im_end|>'],
    ['headers', 128_256, 128_009, '<|eot_id|>'],
  ] as const)('the %s vocabulary', (kind, size, eosId, eos) => {
    const keys = synthVocabulary(kind, size);
    const tokens = keys.get('tokenizer.ggml.tokens')!.value as string[];
    const merges = keys.get('tokenizer.ggml.merges')!.value as string[];
    expect(tokens.length).toBe(size);
    expect(new Set(tokens).size).toBe(size);
    expect([keys.get('tokenizer.ggml.eos_token_id')!.value, tokens[eosId]]).toEqual([eosId, eos]);
    const known = new Set(tokens);
    for (const merge of merges) {
      const [left, right] = merge.split(' ') as [string, string];
      if (!known.has(left) || !known.has(right) || !known.has(left + right)) expect(merge).toBe('of tokens');
    }
  });
});
