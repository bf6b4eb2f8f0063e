import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import type { MemoryCheckpoint, MemoryTensor } from '../../test/memory-checkpoint.ts';
import { decoderGraphOf, printModel } from '../graph/model-graphs.ts';
import type { JsonObject, MetadataValue, TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { parseJsonObject } from '../tensor/parse-json.ts';
import { openDecoder } from './open-decoder.ts';

const DIM = 8;
const matrices = {
  attn_q: [8, DIM],
  attn_k: [4, DIM],
  attn_v: [4, DIM],
  attn_output: [DIM, 8],
  ffn_gate: [12, DIM],
  ffn_up: [12, DIM],
  ffn_down: [DIM, 12],
};

/** One layer of llama: 2 heads of 4, 1 key head. */
function ggufLlama(
  changes: { metadata?: Record<string, MetadataValue>; tensors?: Record<string, MemoryTensor | undefined> } = {},
): MemoryCheckpoint {
  const tensors: Record<string, MemoryTensor | undefined> = {
    'token_embd.weight': { shape: [20, DIM] },
    'output_norm.weight': { shape: [DIM] },
    'blk.0.attn_norm.weight': { shape: [DIM] },
    'blk.0.ffn_norm.weight': { shape: [DIM] },
    ...Object.fromEntries(Object.entries(matrices).map(([name, shape]) => [`blk.0.${name}.weight`, { shape }])),
    ...changes.tensors,
  };
  return {
    format: 'gguf',
    architecture: 'llama',
    metadata: {
      'llama.block_count': 1,
      'llama.context_length': 128,
      'llama.embedding_length': DIM,
      'llama.feed_forward_length': 12,
      'llama.attention.head_count': 2,
      'llama.attention.head_count_kv': 1,
      'llama.attention.layer_norm_rms_epsilon': 1e-5,
      'llama.rope.freq_base': 10000,
      ...changes.metadata,
    },
    tensors: Object.fromEntries(Object.entries(tensors).filter((pair): pair is [string, MemoryTensor] => pair[1] !== undefined)),
  };
}

const hfConfig: JsonObject = {
  model_type: 'llama',
  hidden_size: DIM,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  intermediate_size: 12,
  max_position_embeddings: 128,
  tie_word_embeddings: true,
};

function hfLlama(config: JsonObject): MemoryCheckpoint {
  const layer = 'model.layers.0';
  const names = { q: [8, DIM], k: [4, DIM], v: [4, DIM], o: [DIM, 8] };
  return {
    format: 'safetensors',
    architecture: 'llama',
    config: { ...hfConfig, ...config },
    tensors: {
      'model.embed_tokens.weight': { shape: [20, DIM] },
      'model.norm.weight': { shape: [DIM] },
      [`${layer}.input_layernorm.weight`]: { shape: [DIM] },
      [`${layer}.post_attention_layernorm.weight`]: { shape: [DIM] },
      ...Object.fromEntries(Object.entries(names).map(([name, shape]) => [`${layer}.self_attn.${name}_proj.weight`, { shape }])),
      [`${layer}.mlp.gate_proj.weight`]: { shape: [12, DIM] },
      [`${layer}.mlp.up_proj.weight`]: { shape: [12, DIM] },
      [`${layer}.mlp.down_proj.weight`]: { shape: [DIM, 12] },
    },
  };
}

const open = (spec: MemoryCheckpoint) => openDecoder(memoryCheckpoint(spec));

describe('openDecoder', () => {
  it('builds the graph of a GGUF llama', async () => {
    const { config, model } = await open(ggufLlama());
    expect(config).toMatchObject({ vocabSize: 20, heads: 2, kvHeads: 1, headDim: 4, tiedEmbeddings: true, biases: [] });
    expect(printModel(model)).toMatchSnapshot();
  });

  it('takes an output matrix where the file has one', async () => {
    const { config, weights } = await open(ggufLlama({ tensors: { 'output.weight': { shape: [20, DIM] } } }));
    expect(config.tiedEmbeddings).toBe(false);
    expect(weights.has('output')).toBe(true);
  });

  it('skips a copy of a tied output matrix, and says why', async () => {
    const spec = hfLlama({});
    const { skipped } = await open({ ...spec, tensors: { ...spec.tensors, 'lm_head.weight': { shape: [20, DIM] } } });
    expect(skipped).toEqual([{ name: 'lm_head.weight', reason: 'the output matrix is tied to the embedding' }]);
  });

  it('takes a tensor that the index does not list where the model has it, else skips it and says why', async () => {
    const checkpoint = memoryCheckpoint(hfLlama({}));
    const unlisted = (name: string, entry: TensorEntry): [string, TensorEntry] => [name, { ...entry, name, unlistedIn: 'the index' }];
    const norm = checkpoint.tensors.get('model.norm.weight')!;
    const superseded = [{ name: 'model.norm.weight', reason: 'a copy' }];
    const tensors = new Map([
      ...checkpoint.tensors,
      unlisted('model.norm.weight', norm),
      unlisted('mtp.fc.weight', norm),
      unlisted('model.layers.0.self_attn.rotary_emb.inv_freq', norm),
    ]);
    const { weights, skipped } = await openDecoder({ ...checkpoint, tensors, superseded });
    expect(weights.size).toBe(checkpoint.tensors.size);
    expect(skipped).toEqual([
      ...superseded,
      { name: 'mtp.fc.weight', reason: 'of the head that predicts several tokens, which is kept for later' },
      { name: 'model.layers.0.self_attn.rotary_emb.inv_freq', reason: 'rotary frequencies are computed' },
    ]);
  });

  it('puts the rows of q back in order as it reads them, whatever their type', async () => {
    const f32 = new Uint8Array(new Float32Array(8 * DIM).map((_, i) => Math.floor(i / DIM)).buffer);
    const { weights } = await open(ggufLlama({ tensors: { 'blk.0.attn_q.weight': { shape: [8, DIM], bytes: f32 } } }));
    const read = new Uint8Array(f32.length);
    await weights.get('layers.0.attn.q')?.read(0, read);
    const rows = Array.from({ length: 8 }, (_, row) => new Float32Array(read.buffer)[row * DIM]);
    // Stored pairs (2i, 2i + 1) are rows i and i + 2 of each head of 4.
    expect(rows).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
  });

  it('divides frequencies by rope_freqs.weight, and by a factor of linear scaling too', async () => {
    const divisors = new Uint8Array(Float32Array.of(1, 8).buffer);
    const { model, skipped } = await open(ggufLlama({ tensors: { 'rope_freqs.weight': { shape: [2], bytes: divisors } } }));
    const rope = decoderGraphOf(model).nodes.find(({ op }) => op.kind === 'rope')?.op;
    expect(rope?.kind === 'rope' && [...rope.table.frequencies]).toEqual([1, 0.01 / 8]);
    expect(skipped.map(({ name }) => name)).toEqual(['rope_freqs.weight']);
    const both = await open(
      ggufLlama({ metadata: { 'llama.rope.scale_linear': 2 }, tensors: { 'rope_freqs.weight': { shape: [2], bytes: divisors } } }),
    );
    const scaled = decoderGraphOf(both.model).nodes.find(({ op }) => op.kind === 'rope')?.op;
    expect(scaled?.kind === 'rope' && [...scaled.table.frequencies]).toEqual([0.5, 0.01 / 16]);
  });
});

describe('openDecoder refuses', () => {
  const gguf: [string, Parameters<typeof ggufLlama>[0], string][] = [
    [
      'a missing tensor',
      { tensors: { 'blk.0.ffn_up.weight': undefined } },
      'expected tensor blk.0.ffn_up.weight of shape [12, 8], found none',
    ],
    ['a misshapen tensor', { tensors: { 'blk.0.ffn_up.weight': { shape: [DIM, 12] } } }, 'found shape [8, 12]'],
    ['an extra tensor', { tensors: { 'blk.0.ssm.weight': { shape: [3] } } }, 'found blk.0.ssm.weight [3]'],
    [
      'a type without kernels',
      {
        tensors: { 'token_embd.weight': { shape: [20, 256], type: 'iq2_xs' } },
        metadata: { 'llama.embedding_length': 256, 'llama.attention.key_length': 4 },
      },
      'token_embd.weight has type iq2_xs',
    ],
    [
      'a quantised norm',
      { tensors: { 'output_norm.weight': { shape: [DIM], type: 'q8_0', bytes: new Uint8Array(34) } } },
      'expected one of f32, f16 and bf16',
    ],
    ['a vocabulary only', { tensors: { 'token_embd.weight': undefined } }, 'expected tensor token_embd.weight, found none'],
    ['a missing setting', { metadata: { 'llama.block_count': undefined as unknown as number } }, 'llama.block_count must be present'],
    ['a setting of another type', { metadata: { 'llama.block_count': 'one' } }, '"llama.block_count" must be a number'],
    [
      'an absurd count',
      { metadata: { 'llama.block_count': 1e9 } },
      'llama.block_count must be an integer from 1 to 4096, found 1000000000',
    ],
    ['heads that do not group', { metadata: { 'llama.attention.head_count_kv': 3 } }, 'must be a multiple of the key/value heads (3)'],
    ['an odd head', { metadata: { 'llama.attention.key_length': 5 } }, 'must be an even integer'],
    [
      'a scaling that it does not know',
      { metadata: { 'llama.rope.scaling.type': 'dynamic' } },
      'rope scaling of type "dynamic" is not supported',
    ],
    ['a vocabulary of another size', { metadata: { 'llama.vocab_size': 21 } }, 'must have as many rows as the vocabulary (21), found 20'],
    ['divisors of another length', { tensors: { 'rope_freqs.weight': { shape: [3] } } }, 'expected rope_freqs.weight to be f32 [2]'],
    ['divisors of zero', { tensors: { 'rope_freqs.weight': { shape: [2] } } }, 'rope_freqs.weight[0] must be a number above 0, found 0'],
  ];
  it.each(gguf)('%s', async (_, changes, message) => {
    const attempt = open(ggufLlama(changes));
    await expect(attempt).rejects.toThrow(message);
    await expect(attempt).rejects.toThrow(FormatError);
  });

  const configs: [string, JsonObject, string][] = [
    ['another activation', { hidden_act: 'gelu' }, 'hidden_act must be "silu"'],
    ['rope scaling without its numbers', { rope_scaling: { rope_type: 'llama3' } }, 'rope scaling llama3 needs factor'],
    ['a negative theta', { rope_theta: -1 }, 'rope theta must be a number above 0'],
    ['a flag that is none', { tie_word_embeddings: 'yes' }, 'tie_word_embeddings must be true or false'],
    ['an object that is none', { rope_parameters: [1] }, 'rope_parameters must be an object'],
  ];
  it.each(configs)('%s', async (_, config, message) => {
    await expect(open(hfLlama(config))).rejects.toThrow(message);
  });

  it('an architecture that it does not know, naming those it does', async () => {
    await expect(open({ ...ggufLlama(), architecture: 'grok' })).rejects.toThrow('"grok" is not supported; supported: llama, ');
  });
});

describe('an architecture of which something is still to come is refused with its word', () => {
  it.each([
    ['mamba2', 'Mamba2'], ['nemotron_h_moe', 'Mamba2'], ['granitehybrid', 'Mamba2'], ['falcon-h1', 'Mamba2'], ['jamba', 'Mamba'],
    ['deepseek2', 'latent attention'], ['minicpm3', 'latent attention'],
  ])('the GGUF name %s: %s', async (architecture, need) => {
    const message = `"${architecture}" is not supported: it needs ${need}, which is still to come; supported: llama, `;
    await expect(open({ ...ggufLlama(), architecture })).rejects.toThrow(message);
  });

  it.for([
    ['nemotron_h', 'Mamba2'], ['nemotron_h_latent', 'Mamba2'], ['nemotron_h_moe', 'Mamba2'], ['granitemoehybrid', 'Mamba2'],
    ['granitemoehybrid_dense', 'Mamba2'], ['deepseek_v3', 'latent attention'], ['glm4_moe_lite', 'latent attention'],
  ])('the folder of the golden %s: %s', async ([golden, need], { skip }) => {
    const path = `golden/${golden}`;
    if (!hasShared(`${path}/config.json`)) skip(`${golden} is in ../shared/golden`);
    const config = parseJsonObject(readFileSync(`${sharedPath}/${path}/config.json`, 'utf8'), 'config.json');
    const checkpoint = memoryCheckpoint({ format: 'safetensors', architecture: config['model_type'] as string, config, tensors: {} });
    await expect(openDecoder(checkpoint)).rejects.toThrow(` is not supported: it needs ${need}, which is still to come; `);
    await expect(openDecoder(checkpoint)).rejects.toThrow(FormatError);
  });
});

describe('old and new forms of config.json', () => {
  const scaling = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
  it('mean the same', async () => {
    const older = await open(hfLlama({ rope_theta: 500000, rope_scaling: scaling, torch_dtype: 'float32' }));
    const newer = await open(hfLlama({ rope_parameters: { ...scaling, rope_theta: 500000 }, dtype: 'float32' }));
    expect(older.config).toEqual(newer.config);
    expect(older.config.rope).toMatchObject({ theta: 500000, scaling: { kind: 'llama3', factor: 8 } });
  });
});

describe('reading a weight in pieces', () => {
  const bytes = Uint8Array.from({ length: 8 * DIM * 4 }, (_, i) => i);
  const model = () =>
    openDecoder(
      memoryCheckpoint(
        ggufLlama({
          tensors: { 'blk.0.attn_q.weight': { shape: [8, DIM], bytes }, 'blk.0.attn_output.weight': { shape: [DIM, 8], bytes } },
        }),
      ),
    );

  it('gives any range of a tensor whose rows are in order', async () => {
    const { weights } = await model();
    const into = new Uint8Array(40);
    await weights.get('layers.0.attn.o')?.read(32, into);
    expect(into).toEqual(bytes.subarray(32, 72));
  });

  it('gives any range of q and k of GGUF llama files, whose rows it puts in order', async () => {
    const { weights } = await model();
    const whole = new Uint8Array(bytes.length);
    await weights.get('layers.0.attn.q')?.read(0, whole);
    // Row 1 of a head of 4 is the third as it was read.
    expect(whole.subarray(2 * DIM * 4, 3 * DIM * 4)).toEqual(bytes.subarray(DIM * 4, 2 * DIM * 4));
    const into = new Uint8Array(40);
    await weights.get('layers.0.attn.q')?.read(30, into);
    expect(into).toEqual(whole.subarray(30, 70));
  });
});
