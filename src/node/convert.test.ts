import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bytesOf, f32Of, hasShared, readFixtureTensors, sharedPath } from '../../test/fixture-tensors.ts';
import { goldenContext, goldenPath, GOLDENS, hasGolden, readGolden } from '../../test/goldens.ts';
import { relativeError } from '../../test/relative-error.ts';
import { collect } from '../engine/collect.ts';
import { memorySink } from '../files/byte-sink.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { openDecoder } from '../models/open-decoder.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import { decodeRows } from '../tensor/codec/decode-rows.ts';
import type { TensorType } from '../tensor/tensor-type.ts';
import type { ProgressEvent } from '../tensor/progress.ts';
import { convert, convertFile } from './convert.ts';
import { fileSink } from './file-sink.ts';
import { loadModel } from './load-model.ts';
import { locate } from './open-path.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-convert-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const openPath = async (path: string) => openCheckpoint(await locate(path));

async function valuesOf(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  const entry = checkpoint.tensors.get(name)!;
  const bytes = new Uint8Array(entry.sizeBytes);
  await entry.read(0, bytes);
  const values = new Float32Array(entry.shape.reduce((count, size) => count * size, 1));
  decodeRows(entry.type, bytes, values);
  return values;
}

/** Row s * headDim/2 + i of a head is at 2i + s in the file. */
function unpermuted(values: Float32Array, heads: number, rows: number): Float32Array {
  const cols = values.length / rows;
  const headDim = rows / heads;
  const out = new Float32Array(values.length);
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < headDim / 2; i++) {
      for (let s = 0; s < 2; s++) {
        const from = (head * headDim + 2 * i + s) * cols;
        out.set(values.subarray(from, from + cols), (head * headDim + (s * headDim) / 2 + i) * cols);
      }
    }
  }
  return out;
}

const ggufNames: Record<string, string> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ffn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

function ggufName(name: string): string {
  const [, layer, own, suffix] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
  return `${layer === undefined ? '' : `blk.${layer}.`}${ggufNames[own!]}.${suffix}`;
}

describe('convert', () => {
  test.each(['llama', 'llama_bias', 'qwen3'] as const)('%s as f32 holds the same tensors, under the names of gguf-py', async (name) => {
    const path = join(folder, 'out.gguf');
    const { tensors } = await convertFile(goldenPath(name), path, { type: 'f32' });
    const config = JSON.parse(readFileSync(`${goldenPath(name)}/config.json`, 'utf8')) as Record<string, number>;
    const source = readFixtureTensors(`${goldenPath(name)}/model.safetensors`);
    const made = await openPath(path);
    expect(made.tensors.size).toBe(tensors);
    expect(made.tensors.size).toBe(source.size + (made.tensors.has('rope_freqs.weight') ? 1 : 0));
    for (const [hfName, { shape }] of source) {
      const entry = made.tensors.get(ggufName(hfName))!;
      expect([hfName, entry.type, entry.shape]).toEqual([hfName, 'f32', shape]);
      const heads = /q_proj/.test(hfName) ? config['num_attention_heads'] : config['num_key_value_heads'];
      const values = await valuesOf(made, entry.name);
      const permuted = name !== 'qwen3' && /[qk]_proj/.test(hfName);
      const got = permuted ? unpermuted(values, heads!, shape[0]!) : values;
      expect([hfName, [...got]]).toEqual([hfName, [...f32Of(source, hfName)]]);
    }
    expect(made.metadata.has('tokenizer.ggml.model')).toBe(false);
    await openDecoder(made);
    await made.close();
  });

  test.for(GOLDENS)('%s as f32 gives the golden logits and greedy tokens', async (name, { skip }) => {
    if (!hasGolden(name)) skip(`${name} is in ../shared/golden`);
    const path = join(folder, 'out.gguf');
    await convertFile(goldenPath(name), path, { type: 'f32' });
    const tensors = readFixtureTensors(`${goldenPath(name)}/golden.safetensors`);
    const { prompts, greedy } = readGolden(name);
    const model = await loadModel(path, { device: 'reference', contextLength: goldenContext(name, 'mid') });
    try {
      expect(model.info.warnings).toEqual([]);
      const ids = prompts['mid']!;
      expect(relativeError(await model.forward(ids), f32Of(tensors, 'mid.logits'))).toBeLessThan(1e-4);
      const options = { ids, temperature: 0, ignoreEos: true, maxTokens: greedy['mid']!.length };
      expect((await collect(model.generate(options))).tokens).toEqual(greedy['mid']);
    } finally {
      await model.dispose();
    }
  });

  test.for([
    ['gpt_oss', 'rope_scaling'], ['ministral3', 'rope_parameters'],
  ] as const)('%s: whether the edges of YaRN are whole is what the folder says', async ([name, key], { skip }) => {
    if (!hasGolden(name)) skip(`${name} is in ../shared/golden`);
    const source = await openPath(goldenPath(name));
    for (const truncate of [true, false]) {
      const config = { ...source.config, [key]: { ...(source.config![key] as object), truncate } };
      await convert({ ...source, config }, await fileSink(join(folder, 'out.gguf')), { type: 'f32' });
      const made = await openPath(join(folder, 'out.gguf'));
      const opened = await openDecoder(made);
      expect([opened.config.rope.scaling, opened.warnings]).toMatchObject([{ kind: 'yarn', truncate }, []]);
      await made.close();
    }
    await source.close();
  });

  test('the older form of config.json in two files gives the same file as the newer in one', async () => {
    const files = [];
    for (const name of ['llama', 'llama_sharded'] as const) {
      const path = join(folder, `${name}.gguf`);
      await convertFile(goldenPath(name), path, { type: 'q8_0', modelName: 'same' });
      files.push(readFileSync(path));
    }
    expect(Buffer.compare(files[0]!, files[1]!)).toBe(0);
  });

  test('rope_freqs holds llama3 scaling as divisors, and the keys say the sizes', async () => {
    await convertFile(goldenPath('llama'), join(folder, 'out.gguf'), { type: 'f16' });
    const config = JSON.parse(readFileSync(`${goldenPath('llama')}/config.json`, 'utf8'));
    const made = await openPath(join(folder, 'out.gguf'));
    const divisors = await valuesOf(made, 'rope_freqs.weight');
    const rope = config.rope_parameters;
    expect(divisors.length).toBe(config.head_dim / 2);
    for (const [i, divisor] of divisors.entries()) {
      const wavelength = 2 * Math.PI * rope.rope_theta ** ((2 * i) / config.head_dim);
      const original = rope.original_max_position_embeddings;
      const smooth = (original / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
      const want = smooth > 1 ? 1 : smooth < 0 ? rope.factor : 1 / ((1 - smooth) / rope.factor + smooth);
      expect(divisor).toBeCloseTo(want, 5);
    }
    expect(Object.fromEntries(made.metadata)).toMatchObject({
      'general.architecture': 'llama', 'general.file_type': 1, 'general.quantization_version': 2, 'general.name': 'llama',
      'llama.block_count': config.num_hidden_layers, 'llama.embedding_length': config.hidden_size, 'llama.vocab_size': config.vocab_size,
      'llama.attention.head_count': config.num_attention_heads, 'llama.attention.head_count_kv': config.num_key_value_heads,
      'llama.attention.key_length': config.head_dim, 'llama.rope.dimension_count': config.head_dim, 'llama.rope.freq_base': rope.rope_theta,
      'llama.context_length': config.max_position_embeddings, 'llama.feed_forward_length': config.intermediate_size,
    });
    await made.close();
  });

  test('rows that are no whole blocks get the type that llama.cpp puts in its place', async () => {
    await convertFile(goldenPath('qwen3'), join(folder, 'out.gguf'), { type: 'q4_k_m' });
    const made = await openPath(join(folder, 'out.gguf'));
    for (const { name, type, shape } of made.tensors.values()) {
      const cols = shape.at(-1)!;
      // Of q6_k and of q4_k.
      const inPlace = cols % 256 === 0 ? ['q6_k', 'q4_k'] : cols % 32 === 0 ? ['q8_0', 'q5_0'] : ['f16'];
      expect([name, shape.length === 1 ? ['f32'] : inPlace]).toEqual([name, expect.arrayContaining([type])]);
    }
    await openDecoder(made);
    await made.close();
  });

  test('progress counts up to all bytes', async () => {
    const events: ProgressEvent[] = [];
    await convertFile(goldenPath('llama'), join(folder, 'out.gguf'), { type: 'q8_0', onProgress: (event) => events.push(event) });
    expect(events[0]).toMatchObject({ phase: 'convert', loaded: 0 });
    expect(events.at(-1)!.loaded).toBe(events.at(-1)!.total);
    for (const [i, event] of events.entries()) if (i > 0) expect(event.loaded).toBeGreaterThan(events[i - 1]!.loaded);
  });
});

describe('convert leaves nothing behind', () => {
  const broken = async (value: number, dtypeOf: Partial<Checkpoint> = {}): Promise<Checkpoint> => {
    const checkpoint = await openPath(goldenPath('qwen3'));
    const name = 'model.layers.1.mlp.up_proj.weight';
    const entry = checkpoint.tensors.get(name)!;
    const read: typeof entry.read = async (offset, into, options) => {
      await entry.read(offset, into, options);
      const at = 4 * (3 * entry.shape[1]! + 5) - offset;
      if (at >= 0 && at < into.length) new DataView(into.buffer, into.byteOffset).setFloat32(at, value, true);
    };
    return { ...checkpoint, ...dtypeOf, tensors: new Map([...checkpoint.tensors, [name, { ...entry, read }]]) };
  };

  test.each([
    [NaN, 'f32', /up_proj\.weight holds NaN at \[3, 5\]\. The weights are damaged/],
    [-Infinity, 'q4_0', /holds -Infinity at \[3, 5\]/],
    [70000, 'f16', /holds 70000 at \[3, 5\], which is too large for f16\. Convert to bf16 or f32/],
  ] as const)('with a weight of %d as %s', async (value, type, message) => {
    const sink = memorySink('out.gguf');
    const checkpoint = await broken(value);
    await expect(convert(checkpoint, sink, { type })).rejects.toThrow(message);
    expect(sink.bytes().length).toBe(0);
    await checkpoint.close();
  });

  test('when it is cancelled', async () => {
    const path = join(folder, 'out.gguf');
    const stop = new AbortController();
    const converting = convertFile(goldenPath('llama'), path, {
      type: 'f32', signal: stop.signal, onProgress: ({ loaded }) => loaded > 0 && stop.abort(new Error('enough')),
    });
    await expect(converting).rejects.toThrow('enough');
    expect(readdirSync(folder)).toEqual([]);
  });

  test.skipIf(!existsSync('/dev/full'))('when the disk ends early', async () => {
    await expect(convertFile(goldenPath('llama'), '/dev/full', { type: 'f32' })).rejects.toThrow(/disk is full/);
  });

  test('for what cannot be converted', async () => {
    const gguf = join(folder, 'a.gguf');
    await convertFile(goldenPath('llama'), gguf, { type: 'f16' });
    await expect(convertFile(gguf, join(folder, 'b.gguf'), { type: 'f16' })).rejects.toThrow(/GGUF file already/);
    await expect(convertFile(goldenPath('llama'), join(folder, 'b.gguf'), { type: 'iq2_xs' as 'f16' })).rejects.toThrow(
      /must be one of f32/,
    );
    await expect(convertFile(goldenPath('llama'), join(folder, 'b.gguf'), { type: 'f16', vocabulary: 'x' as 'none' })).rejects.toThrow(
      /vocabulary must be/,
    );
    expect(readdirSync(folder)).toEqual(['a.gguf']);
    const other = await openPath(goldenPath('llama'));
    await expect(convert({ ...other, architecture: 'mamba' }, memorySink('x'), { type: 'f16' })).rejects.toThrow(
      /architecture "mamba" is not supported/,
    );
    await other.close();
  });
});

/** Relative errors that the formats leave on ember's weights, with a little room. */
const RELATIVE_ERRORS: Partial<Record<TensorType, number>> = {
  f32: 0, f16: 1e-4, bf16: 0, q8_0: 0.006, q6_k: 0.02, q5_k: 0.038, q5_1: 0.046, q5_0: 0.05, q4_k: 0.075, iq4_xs: 0.08, iq4_nl: 0.08,
  q4_1: 0.092, q4_0: 0.095, q3_k: 0.16, mxfp4: 0.17, q2_k: 0.33,
};

/** All encoders take minutes: the others are held by `encode-rows.test.ts`, and which tensor gets which type by `gguf-mixes.test.ts`. */
const FILE_TYPES = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k_m', 'q3_k_m', 'mxfp4'] as const;

describe.skipIf(!hasShared('ember-21m/model.safetensors'))('ember-21m from ../shared', () => {
  test.each(FILE_TYPES)('%s', async (type) => {
    const path = join(folder, 'ember.gguf');
    await convertFile(`${sharedPath}/ember-21m`, path, { type });
    const made = await openPath(path);
    const source = readFixtureTensors(`${sharedPath}/ember-21m/model.safetensors`);
    expect(made.tensors.size).toBe(source.size);
    for (const [hfName, { bytes, shape }] of source) {
      const want = new Float32Array(bytes.length / 2);
      decodeRows('bf16', bytesOf(source, hfName), want);
      const got = await valuesOf(made, ggufName(hfName));
      const limit = shape.length === 1 ? 0 : RELATIVE_ERRORS[made.tensors.get(ggufName(hfName))!.type];
      let error = 0;
      let power = 0;
      for (let i = 0; i < want.length; i++) {
        error += (got[i]! - want[i]!) ** 2;
        power += want[i]! ** 2;
      }
      expect([hfName, Math.sqrt(error / power) <= limit!]).toEqual([hfName, true]);
    }
    expect(made.metadata.get('tokenizer.ggml.pre')).toBe('qwen2');
    expect(made.metadata.get('tokenizer.ggml.eos_token_id')).toBe(4082);
    expect([...(made.metadata.get('ingot.eos_token_ids') as Int32Array)]).toEqual([4082, 4080]);
    expect(made.metadata.get('general.sampling.top_k')).toBe(50);
    const types = made.metadata.get('tokenizer.ggml.token_type') as Int32Array;
    expect([...types.subarray(4079)]).toEqual([1, 3, 3, 3, ...Array(13).fill(4)]);
    await made.close();
  });

  test('q4_k_m mixes q6_k in where llama.cpp does', async () => {
    await convertFile(`${sharedPath}/ember-21m`, join(folder, 'ember.gguf'), { type: 'q4_k_m' });
    const made = await openPath(join(folder, 'ember.gguf'));
    const precise = [...made.tensors.values()].filter(({ type }) => type === 'q6_k').map(({ name }) => name);
    // Layers 0 and 7 are the first and last eighth; of 1 to 6, every third from the third on.
    const layers = [0, 3, 6, 7].flatMap((n) => [`blk.${n}.attn_v.weight`, `blk.${n}.ffn_down.weight`]);
    expect(precise.toSorted()).toEqual(['token_embd.weight', ...layers].toSorted());
    await made.close();
  });
});
