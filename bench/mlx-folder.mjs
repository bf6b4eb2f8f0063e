// A folder as mlx-lm writes it, of random weights at the shape of a Qwen3 model: to measure MLX's formats at real sizes.
// node bench/mlx-folder.mjs OUT [--model qwen3-4b] [--bits 4] [--group 64] [--layers N]
// Codes are random bits; scales and biases are bf16, so that values lie around zero as those of `ingot synth` do. Matrices repeat a pool.
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals: [out] } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: 'qwen3-4b' }, bits: { type: 'string', default: '4' }, group: { type: 'string', default: '64' },
    layers: { type: 'string' },
  },
});
if (out === undefined || !values.model.startsWith('qwen3-')) throw new Error('usage: node bench/mlx-folder.mjs OUT [--model qwen3-4b]');
const { synthPlan } = await import('../dist/models/synth-shapes.js');
const { qwen3 } = await import('../dist/models/qwen3.js');
const { f32ToBf16 } = await import('../dist/tensor/half.js');

const [bits, group] = [Number(values.bits), Number(values.group)];
const { config, deviation } = synthPlan(values.model, 'q4_0', values.layers === undefined ? undefined : Number(values.layers));
/** The deviation of evenly drawn codes, and their mean. */
const codeDeviation = Math.sqrt((4 ** bits - 1) / 12);
const scale = deviation / codeDeviation;
const bias = (-scale * (2 ** bits - 1)) / 2;

const bf16 = (value, count) => {
  const words = new Uint16Array(count).fill(f32ToBf16(value));
  return new Uint8Array(words.buffer);
};
const pool = new Uint8Array(1 << 24);
for (let i = 0, state = 1; i < pool.length; i += 4) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  new DataView(pool.buffer).setUint32(i, state >>> 0, true);
}
const codes = (length) => ({ length, *chunks() {
  for (let at = 0; at < length; at += pool.length) yield pool.subarray(0, Math.min(pool.length, length - at));
} });
const whole = (bytes) => ({ length: bytes.length, *chunks() { yield bytes; } });

const tensors = qwen3.weights(config).flatMap(({ shape, safetensors: { name } }) => {
  if (shape.length === 1) return [{ name, dtype: 'BF16', shape, data: whole(bf16(1, shape[0])) }];
  const [rows, cols] = shape;
  const groups = [rows, cols / group];
  const stem = name.replace(/\.weight$/, '');
  return [
    { name, dtype: 'U32', shape: [rows, (cols * bits) / 32], data: codes((rows * cols * bits) / 8) },
    { name: `${stem}.scales`, dtype: 'BF16', shape: groups, data: whole(bf16(scale, groups[0] * groups[1])) },
    { name: `${stem}.biases`, dtype: 'BF16', shape: groups, data: whole(bf16(bias, groups[0] * groups[1])) },
  ];
});

let offset = 0;
const header = JSON.stringify(Object.fromEntries(tensors.map(({ name, dtype, shape, data }) =>
  [name, { dtype, shape, data_offsets: [offset, (offset += data.length)] }])));
const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
mkdirSync(out, { recursive: true });
const file = createWriteStream(join(out, 'model.safetensors'));
const write = async (bytes) => file.write(bytes) || once(file, 'drain');
const length = Buffer.alloc(8);
length.writeBigUInt64LE(BigInt(padded.length));
await write(length);
await write(padded);
for (const { data } of tensors) for (const chunk of data.chunks()) await write(chunk);
file.end();
await once(file, 'close');

writeFileSync(join(out, 'config.json'), JSON.stringify({
  model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'], vocab_size: config.vocabSize, hidden_size: config.dim,
  num_hidden_layers: config.layers, num_attention_heads: config.heads, num_key_value_heads: config.kvHeads, head_dim: config.headDim,
  intermediate_size: config.ffnDim, rms_norm_eps: config.rmsEps, rope_theta: config.rope.theta,
  max_position_embeddings: config.contextLength,
  tie_word_embeddings: config.tiedEmbeddings, hidden_act: 'silu', quantization: { group_size: group, bits, mode: 'affine' },
}, undefined, 2));
console.log(`${out}: ${tensors.length} tensors, ${(offset / 1e9).toFixed(2)} GB`);
