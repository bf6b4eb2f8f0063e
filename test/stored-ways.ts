/**
 * One small model, stored in three ways: as Llama's Hugging Face folders have it, and in the two formats of a test family whose folders
 * fuse matrices, put layers one after the other in tensors of experts and store gains without their 1, and whose GGUF files have the rows
 * of q and k in pairs.
 */
import { expect } from 'vitest';
import { decoderSteps } from '../src/graph/decoder-steps.ts';
import type { Executor } from '../src/graph/executor.ts';
import type { Architecture } from '../src/models/architecture.ts';
import { decoderMetadata } from '../src/models/decoder-metadata.ts';
import { parseDecoderConfig } from '../src/models/decoder-config.ts';
import type { DecoderConfig } from '../src/models/decoder-config.ts';
import { llama } from '../src/models/llama.ts';
import { openDecoder } from '../src/models/open-decoder.ts';
import { expert, permuteHeads, plus, slice, tensor } from '../src/models/weight-expression.ts';
import type { WeightExpression } from '../src/models/weight-expression.ts';
import type { WeightSpec } from '../src/models/weight-spec.ts';
import { encodeRows } from '../src/tensor/codec/encode-rows.ts';
import { bytesOfElements, TENSOR_TYPES } from '../src/tensor/tensor-type.ts';
import type { WeightType } from '../src/tensor/tensor-type.ts';
import { memoryCheckpoint } from './memory-checkpoint.ts';
import type { MemoryCheckpoint, MemoryTensor } from './memory-checkpoint.ts';

const [LAYERS, DIM, HEADS, KV_HEADS, HEAD_DIM, FFN, VOCAB] = [2, 256, 4, 2, 32, 512, 50];
const [Q, KV] = [HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM];

function wovenWeights({ dim, layers, heads, kvHeads, headDim, ffnDim, vocabSize }: DecoderConfig): readonly WeightSpec[] {
  const [q, kv] = [heads * headDim, kvHeads * headDim];
  const gainSpec = (id: string, gguf: string, safetensors: string): WeightSpec => ({
    id,
    shape: [dim],
    gguf: tensor(gguf, [dim]),
    safetensors: plus(tensor(safetensors, [dim]), 1),
  });
  const spec = (id: string, shape: readonly number[], gguf: WeightExpression, safetensors: WeightExpression): WeightSpec => ({
    id, shape, gguf, safetensors,
  });
  const table = [vocabSize, dim];
  const layer = (n: number): WeightSpec[] => {
    const qkv = tensor(`layers.${n}.qkv_proj`, [q + 2 * kv, dim]);
    const gateUp = expert(tensor('experts.gate_up_proj', [layers, 2 * ffnDim, dim]), n);
    const own = (name: string, shape: readonly number[]) => tensor(`blk.${n}.${name}`, shape);
    const ofAll = (name: string, shape: readonly number[]) => expert(tensor(name, [layers, ...shape]), n);
    return [
      gainSpec(`layers.${n}.attn.norm`, `blk.${n}.attn_norm`, `layers.${n}.attn_norm`),
      spec(`layers.${n}.attn.q`, [q, dim], permuteHeads(own('attn_q', [q, dim]), heads, 'halves'), slice(qkv, 0, q)),
      spec(`layers.${n}.attn.k`, [kv, dim], permuteHeads(own('attn_k', [kv, dim]), kvHeads, 'halves'), slice(qkv, q, q + kv)),
      spec(`layers.${n}.attn.v`, [kv, dim], own('attn_v', [kv, dim]), slice(qkv, q + kv, q + 2 * kv)),
      spec(`layers.${n}.attn.o`, [dim, q], own('attn_output', [dim, q]), tensor(`layers.${n}.o_proj`, [dim, q])),
      gainSpec(`layers.${n}.mlp.norm`, `blk.${n}.ffn_norm`, `layers.${n}.ffn_norm`),
      spec(`layers.${n}.mlp.gate`, [ffnDim, dim], ofAll('ffn_gate_exps', [ffnDim, dim]), slice(gateUp, 0, ffnDim)),
      spec(`layers.${n}.mlp.up`, [ffnDim, dim], ofAll('ffn_up_exps', [ffnDim, dim]), slice(gateUp, ffnDim, 2 * ffnDim)),
      spec(`layers.${n}.mlp.down`, [dim, ffnDim], ofAll('ffn_down_exps', [dim, ffnDim]), ofAll('experts.down_proj', [dim, ffnDim])),
    ];
  };
  return [
    spec('embedding', table, tensor('token_embd.weight', table), tensor('model.embed_tokens.weight', table)),
    gainSpec('norm', 'output_norm', 'norm'),
    ...Array.from({ length: layers }, (_, n) => layer(n)).flat(),
  ];
}

/** Llama's graph over tensors stored otherwise. */
export const woven: Architecture = {
  gguf: 'woven',
  safetensors: ['woven'],
  parseConfig: (checkpoint) => parseDecoderConfig(checkpoint, { rmsEps: 1e-5, linears: {} }),
  checkSettings: () => [],
  weights: wovenWeights,
  skips: [],
  metadata: (config) => decoderMetadata('woven', config),
  graphs: (config, setting) => llama.graphs(config, setting),
};

interface Rows {
  readonly type: WeightType;
  readonly shape: readonly number[];
  readonly rows: readonly Uint8Array[];
}

/** A matrix of some rows, encoded row by row. */
function matrix(type: WeightType, [count, cols]: readonly [number, number], seed: number): Rows {
  const rows = Array.from({ length: count }, (_, row) => {
    const values = Float32Array.from({ length: cols }, (_value, col) => Math.sin(seed * 97 + row * 13.7 + col * 0.91) / Math.sqrt(cols));
    const bytes = new Uint8Array(bytesOfElements(type, cols));
    encodeRows(type, values, bytes);
    return bytes;
  });
  return { type, shape: [count, cols], rows };
}

/** A gain around 1 that f32 holds exactly without its 1 too. */
function gain(seed: number): Float32Array {
  return Float32Array.from({ length: DIM }, (_, i) => 1 + Math.round(Math.sin(seed + i) * 200) / 1024);
}

function joined(parts: readonly Rows[], shape?: readonly number[]): MemoryTensor {
  const rows = parts.flatMap((part) => part.rows);
  const bytes = new Uint8Array(rows.reduce((sum, row) => sum + row.length, 0));
  rows.forEach((row, i) => bytes.set(row, i * row.length));
  const [{ type, shape: own }] = parts as [Rows];
  return { type, bytes, shape: shape ?? [rows.length, own[1] as number] };
}

function vector(values: Float32Array): MemoryTensor {
  return { shape: [values.length], type: 'f32', bytes: new Uint8Array(values.slice().buffer) };
}

/** Rows i and half + i of each head side by side. */
function inPairs({ type, shape, rows }: Rows): Rows {
  const half = HEAD_DIM / 2;
  const heads = Array.from({ length: rows.length / HEAD_DIM }, (_, head) => rows.slice(head * HEAD_DIM, (head + 1) * HEAD_DIM));
  const paired = heads.flatMap((head) => head.slice(0, half).flatMap((row, i) => [row, head[half + i] as Uint8Array]));
  return { type, shape, rows: paired };
}

const CONFIG = {
  hidden_size: DIM, num_hidden_layers: LAYERS, num_attention_heads: HEADS, num_key_value_heads: KV_HEADS, head_dim: HEAD_DIM,
  intermediate_size: FFN, max_position_embeddings: 64, rms_norm_eps: 1e-5, rope_theta: 10000, tie_word_embeddings: true,
} as const;

const METADATA = {
  'woven.embedding_length': DIM, 'woven.block_count': LAYERS, 'woven.attention.head_count': HEADS,
  'woven.attention.head_count_kv': KV_HEADS,
  'woven.attention.key_length': HEAD_DIM, 'woven.feed_forward_length': FFN, 'woven.context_length': 64,
  'woven.attention.layer_norm_rms_epsilon': 1e-5, 'woven.rope.freq_base': 10000,
} as const;

export interface StoredWays {
  /** As Llama's folders have it. */
  readonly plain: MemoryCheckpoint;
  /** The test family's folder, and its GGUF file. */
  readonly folder: MemoryCheckpoint;
  readonly gguf: MemoryCheckpoint;
}

/** The same weights, their matrices of `type`. */
export function storedWays(type: WeightType): StoredWays {
  const layers = Array.from({ length: LAYERS }, (_, n) => ({
    q: matrix(type, [Q, DIM], 10 * n + 1), k: matrix(type, [KV, DIM], 10 * n + 2), v: matrix(type, [KV, DIM], 10 * n + 3),
    o: matrix(TENSOR_TYPES[type].blockSize > Q ? 'q8_0' : type, [DIM, Q], 10 * n + 4),
    gate: matrix(type, [FFN, DIM], 10 * n + 5), up: matrix(type, [FFN, DIM], 10 * n + 6), down: matrix(type, [DIM, FFN], 10 * n + 7),
    attnNorm: gain(10 * n + 8), mlpNorm: gain(10 * n + 9),
  }));
  const embedding = joined([matrix(type, [VOCAB, DIM], 77)]);
  const norm = gain(78);
  const less = (values: Float32Array) => vector(values.map((value) => value - 1));
  const perLayer = (tensors: (layer: (typeof layers)[number], n: number) => Record<string, MemoryTensor>) =>
    Object.assign({}, ...layers.map(tensors)) as Record<string, MemoryTensor>;
  const experts = (parts: (layer: (typeof layers)[number]) => readonly Rows[], shape: readonly number[]) =>
    joined(layers.flatMap(parts), [LAYERS, ...shape]);
  return {
    plain: {
      format: 'safetensors', architecture: 'llama', config: { ...CONFIG, model_type: 'llama' },
      tensors: {
        'model.embed_tokens.weight': embedding, 'model.norm.weight': vector(norm),
        ...perLayer(({ q, k, v, o, gate, up, down, attnNorm, mlpNorm }, n) => ({
          [`model.layers.${n}.self_attn.q_proj.weight`]: joined([q]), [`model.layers.${n}.self_attn.k_proj.weight`]: joined([k]),
          [`model.layers.${n}.self_attn.v_proj.weight`]: joined([v]), [`model.layers.${n}.self_attn.o_proj.weight`]: joined([o]),
          [`model.layers.${n}.mlp.gate_proj.weight`]: joined([gate]), [`model.layers.${n}.mlp.up_proj.weight`]: joined([up]),
          [`model.layers.${n}.mlp.down_proj.weight`]: joined([down]), [`model.layers.${n}.input_layernorm.weight`]: vector(attnNorm),
          [`model.layers.${n}.post_attention_layernorm.weight`]: vector(mlpNorm),
        })),
      },
    },
    folder: {
      format: 'safetensors', architecture: 'woven', config: { ...CONFIG, model_type: 'woven' },
      tensors: {
        'model.embed_tokens.weight': embedding, norm: less(norm),
        'experts.gate_up_proj': experts(({ gate, up }) => [gate, up], [2 * FFN, DIM]),
        'experts.down_proj': experts(({ down }) => [down], [DIM, FFN]),
        ...perLayer(({ q, k, v, o, attnNorm, mlpNorm }, n) => ({
          [`layers.${n}.qkv_proj`]: joined([q, k, v]), [`layers.${n}.o_proj`]: joined([o]),
          [`layers.${n}.attn_norm`]: less(attnNorm), [`layers.${n}.ffn_norm`]: less(mlpNorm),
        })),
      },
    },
    gguf: {
      format: 'gguf', architecture: 'woven', metadata: METADATA,
      tensors: {
        'token_embd.weight': embedding, output_norm: vector(norm),
        ffn_gate_exps: experts(({ gate }) => [gate], [FFN, DIM]), ffn_up_exps: experts(({ up }) => [up], [FFN, DIM]),
        ffn_down_exps: experts(({ down }) => [down], [DIM, FFN]),
        ...perLayer(({ q, k, v, o, attnNorm, mlpNorm }, n) => ({
          [`blk.${n}.attn_q`]: joined([inPairs(q)]), [`blk.${n}.attn_k`]: joined([inPairs(k)]),
          [`blk.${n}.attn_v`]: joined([v]), [`blk.${n}.attn_output`]: joined([o]),
          [`blk.${n}.attn_norm`]: vector(attnNorm), [`blk.${n}.ffn_norm`]: vector(mlpNorm),
        })),
      },
    },
  };
}

/** Logits of a prompt's last rows, and of a token after it. */
async function logitsOf(executor: Executor, stored: MemoryCheckpoint): Promise<readonly number[]> {
  const { model, weights } = await openDecoder(memoryCheckpoint(stored), { architectures: [llama, woven] });
  const program = await executor.load({ model, weights, kv: { type: 'f32', pageTokens: 8, maxPages: 4 }, sizes: { rows: 16 } });
  try {
    program.ensurePages(0, 2);
    const steps = decoderSteps(program);
    const found: number[] = [];
    const prompt = { tokens: [3, 1, 41, 5, 9, 2, 6, 5, 35], start: 0, outputs: [2, 8] };
    for (const { tokens, start, outputs } of [prompt, { tokens: [8], start: 9, outputs: [0] }]) {
      const { logits } = await steps.run({ sequences: [{ tokens, start, pages: [[1, 0]], outputs }] });
      found.push(...logits);
    }
    return found;
  } finally {
    await program.dispose();
  }
}

/** However the weights are stored, what is computed is the same bit for bit. */
export async function checkStoredWays(executor: Executor, type: WeightType): Promise<void> {
  const { plain, folder, gguf } = storedWays(type);
  const wanted = await logitsOf(executor, plain);
  expect(Math.max(...wanted.map(Math.abs))).toBeGreaterThan(0.05);
  expect(wanted.every(Number.isFinite)).toBe(true);
  expect(await logitsOf(executor, folder)).toEqual(wanted);
  expect(await logitsOf(executor, gguf)).toEqual(wanted);
}
