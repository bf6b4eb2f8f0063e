/** Goldens changed where llama.cpp has no way to compute them as they are, so that it and Ingot can be compared on what is left. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '../src/tensor/checkpoint.ts';
import { readFixtureTensors } from './fixture-tensors.ts';
import type { FixtureTensor } from './fixture-tensors.ts';
import { goldenPath } from './goldens.ts';
import { tensorFileBytes, utf8 } from './model-bytes.ts';

type Tensors = ReadonlyMap<string, FixtureTensor>;

/** Some rows of a tensor's first dim. */
function rowsOf({ dtype, shape, bytes }: FixtureTensor, rows: readonly number[]): FixtureTensor {
  const size = bytes.length / (shape[0] as number);
  const kept = rows.map((row) => bytes.subarray(row * size, (row + 1) * size));
  return { dtype, shape: [rows.length, ...shape.slice(1)], bytes: new Uint8Array(Buffer.concat(kept)) };
}

/** Some columns of an f32 matrix. */
function columnsOf({ dtype, shape: [rows, columns], bytes }: FixtureTensor, kept: readonly number[]): FixtureTensor {
  const values = new Float32Array(bytes.slice().buffer);
  const made = Float32Array.from({ length: rows! * kept.length }, (_, i) =>
    values[Math.floor(i / kept.length) * columns! + kept[i % kept.length]!]!);
  return { dtype, shape: [rows!, kept.length], bytes: new Uint8Array(made.buffer) };
}

const DELTA = { keys: 2 * 2 * 16, valueHeads: 4, keyDim: 16, valueDim: 24 };

/** The first values of each head of the delta rule, as many as its keys have. */
function narrowValues(tensors: Tensors): Tensors {
  const { keys, valueHeads, keyDim, valueDim } = DELTA;
  const values = Array.from({ length: valueHeads * valueDim }, (_, i) => i).filter((i) => i % valueDim < keyDim);
  const channels = [...Array.from({ length: keys }, (_, i) => i), ...values.map((i) => keys + i)];
  const narrowed = (name: string, tensor: FixtureTensor): FixtureTensor => {
    if (/in_proj_qkv\.weight|conv1d\.weight/.test(name)) return rowsOf(tensor, channels);
    if (name.endsWith('in_proj_z.weight')) return rowsOf(tensor, values);
    if (name.endsWith('linear_attn.norm.weight')) return rowsOf(tensor, values.slice(0, keyDim));
    return name.endsWith('linear_attn.out_proj.weight') ? columnsOf(tensor, values) : tensor;
  };
  return new Map([...tensors].map(([name, tensor]) => [name, narrowed(name, tensor)]));
}

function withoutFirstLayer(tensors: Tensors): Tensors {
  const own = [...tensors].filter(([name]) => !name.includes('.layers.0.'));
  return new Map(own.map(([name, tensor]) => [name.replace(/\.layers\.(\d+)\./, (_, n) => `.layers.${Number(n) - 1}.`), tensor]));
}

interface Variant {
  readonly config: (config: JsonObject) => JsonObject;
  readonly tensors?: (tensors: Tensors) => Tensors;
}

const NARROW: Variant = { config: (config) => ({ ...config, linear_value_head_dim: DELTA.keyDim }), tensors: narrowValues };

export const LLAMA_VARIANTS = {
  // llama.cpp loads no layer of this family that has an MLP.
  qwen3_moe: { config: (config) => ({ ...config, num_hidden_layers: 2, mlp_only_layers: [] }), tensors: withoutFirstLayer },
  // It does not read the factor of the experts' sum for this family.
  lfm2_moe: { config: (config) => ({ ...config, routed_scaling_factor: 1 }) },
  // Its YaRN rounds the edges of the ramp, which this family's own does not (`ggml_rope_yarn_corr_dims`), and takes them to be at 32 turns
  // and at 1 whatever the file says, as this family's files do say.
  gpt_oss: {
    config: (config) => ({ ...config, rope_scaling: { ...(config['rope_scaling'] as JsonObject), truncate: true, beta_fast: 32 } }),
  },
  // It has one width of the delta rule's heads, for keys and values.
  qwen3_5: NARROW,
  qwen3_5_moe: NARROW,
} as const satisfies Readonly<Record<string, Variant>>;

/** The folder's files. */
export function llamaVariant(name: keyof typeof LLAMA_VARIANTS): Map<string, Uint8Array> {
  const { config, tensors = (own: Tensors) => own }: Variant = LLAMA_VARIANTS[name];
  const folder = goldenPath(name);
  return new Map([
    ['config.json', utf8(config(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as JsonObject))],
    ['model.safetensors', tensorFileBytes(tensors(readFixtureTensors(join(folder, 'model.safetensors'))))],
  ]);
}
