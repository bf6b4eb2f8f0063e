// A folder as transformers.js loads it, of the very weights of a Qwen3 model in Q4_0: node bench/onnx-folder.mjs MODEL.gguf OUT
// Codes and scales are the file's own (a Q4_0 block is a block of 32 of onnxruntime's MatMulNBits with its usual zero point of 8), so that
// both engines have one model. The graph is what exporters make of such models: GroupQueryAttention with rotation inside, normalisations
// by head before it, residuals in the normalisations, logits of the last position alone. With --accuracy 0 products have f32 activations;
// the default, 4, lets onnxruntime round them to 8 bits, as Ingot and llama.cpp do.
// The forms were read in onnxruntime's docs/ContribOperators.md and onnx's onnx.proto.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { locate } from '../dist/node/open-path.js';
import { openDecoder } from '../dist/models/open-decoder.js';
import { f16ToF32 } from '../dist/tensor/half.js';
import { FLOAT, INT32, INT64, UINT8, input, modelFile, nodeOf, tensor } from './onnx-file.mjs';

const { values: { accuracy }, positionals: [path, out] } = parseArgs({
  allowPositionals: true, options: { accuracy: { type: 'string', default: '4' } },
});
if (out === undefined) throw new Error('usage: node bench/onnx-folder.mjs MODEL.gguf OUT');
const checkpoint = await openCheckpoint(await locate(path));
const { config } = await openDecoder(checkpoint);
if (config.architecture !== 'qwen3') throw new Error(`${path} is of ${config.architecture}: expected qwen3`);
const { dim, layers, heads, kvHeads, headDim, ffnDim, vocabSize, contextLength, rmsEps, rope } = config;

const BLOCK = 32;
const BLOCK_BYTES = 18;
const nodes = [];
const initializers = [];
const constant = (name, type, shape, data) => (initializers.push(tensor(name, type, shape, data)), name);
const f32 = (name, shape, values) => constant(name, FLOAT, shape, Buffer.from(new Float32Array(values).buffer));
const i64 = (name, shape, values) => constant(name, INT64, shape, Buffer.from(BigInt64Array.from(values, BigInt).buffer));
const node = (kind, inputs, outputs, attributes, domain) => (nodes.push(nodeOf(kind, inputs, outputs, attributes, domain)), outputs[0]);
const contrib = (kind, inputs, outputs, attributes) => node(kind, inputs, outputs, attributes, 'com.microsoft');

async function bytesOf(name) {
  const entry = checkpoint.tensors.get(name);
  const bytes = new Uint8Array(entry.sizeBytes);
  await entry.read(0, bytes);
  return { entry, bytes };
}

async function vector(name) {
  const { entry, bytes } = await bytesOf(name);
  if (entry.type !== 'f32') throw new Error(`${name} has type ${entry.type}: expected f32`);
  return constant(name, FLOAT, entry.shape, Buffer.from(bytes.buffer));
}

/** Codes of neighbours in a byte, the first in its low half, where Q4_0 has the first and the 17th; and the scales. */
async function planes(name) {
  const { entry, bytes } = await bytesOf(name);
  if (entry.type !== 'q4_0') throw new Error(`${name} has type ${entry.type}: expected q4_0 (ingot convert --type q4_0)`);
  const [rows, cols] = entry.shape;
  const count = (rows * cols) / BLOCK;
  const codes = new Uint8Array(count * 16);
  const scales = new Float32Array(count);
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < count; block++) {
    const at = block * BLOCK_BYTES;
    scales[block] = f16ToF32(view.getUint16(at, true));
    for (let i = 0; i < 8; i++) {
      const [a, b] = [bytes[at + 2 + 2 * i], bytes[at + 3 + 2 * i]];
      codes[block * 16 + i] = (a & 15) | ((b & 15) << 4);
      codes[block * 16 + 8 + i] = (a >> 4) | (b & 0xf0);
    }
  }
  return { rows, cols, codes: Buffer.from(codes.buffer), scales: Buffer.from(scales.buffer) };
}

/** x * W', of a matrix of the file. */
async function product(x, name, to) {
  const { rows, cols, codes, scales } = await planes(name);
  const data = constant(`${name}.codes`, UINT8, [rows, cols / BLOCK, BLOCK / 2], codes);
  const scale = constant(`${name}.scales`, FLOAT, [(rows * cols) / BLOCK], scales);
  return contrib('MatMulNBits', [x, data, scale], [to], { K: cols, N: rows, bits: 4, block_size: BLOCK, accuracy_level: Number(accuracy) });
}

const norm = (x, scale, to) => node('SimplifiedLayerNormalization', [x, scale], [to], { axis: -1, epsilon: { f: rmsEps }, stash_type: 1 });
const skipNorm = (x, skip, scale, to, sum) =>
  contrib('SkipSimplifiedLayerNormalization', [x, skip, scale], [to, '', '', sum], { epsilon: { f: rmsEps } });

/** Angles of rotation, a row a position. */
function rotations(positions) {
  const half = headDim / 2;
  const angle = (i) => Math.floor(i / half) / rope.theta ** ((i % half) / half);
  const of = (name, turn) => f32(name, [positions, half], Float32Array.from({ length: positions * half }, (_, i) => turn(angle(i))));
  return [of('cos', Math.cos), of('sin', Math.sin)];
}

const positions = Math.min(contextLength, 4096);
const [cos, sin] = rotations(positions);
/** A norm by head: [batch, positions, heads * headDim] as [batch, positions, heads, headDim] and back. */
async function headNorm(x, name, count, to) {
  const split = node('Reshape', [x, i64(`${to}.split`, [4], [0, 0, count, headDim])], [`${to}.heads`]);
  const normed = norm(split, await vector(name), `${to}.normed`);
  return node('Reshape', [normed, i64(`${to}.join`, [3], [0, 0, count * headDim])], [to]);
}

async function layer(n, x, residual) {
  const at = (what) => `blk.${n}.${what}`;
  const q = await headNorm(await product(x, at('attn_q.weight'), at('q')), at('attn_q_norm.weight'), heads, at('q.ready'));
  const k = await headNorm(await product(x, at('attn_k.weight'), at('k')), at('attn_k_norm.weight'), kvHeads, at('k.ready'));
  const v = await product(x, at('attn_v.weight'), at('v'));
  const past = ['key', 'value'].map((what) => `past_key_values.${n}.${what}`);
  contrib('GroupQueryAttention', [q, k, v, ...past, 'seqlens_k', 'total', cos, sin],
    [at('attention'), ...['key', 'value'].map((what) => `present.${n}.${what}`)],
    { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1, rotary_interleaved: 0, scale: { f: 1 / Math.sqrt(headDim) } });
  const o = await product(at('attention'), at('attn_output.weight'), at('o'));
  const middle = skipNorm(residual, o, await vector(at('ffn_norm.weight')), at('middle'), at('middle.sum'));
  const gate = await product(middle, at('ffn_gate.weight'), at('gate'));
  const up = await product(middle, at('ffn_up.weight'), at('up'));
  const active = node('Mul', [gate, node('Sigmoid', [gate], [at('sigmoid')])], [at('silu')]);
  const down = await product(node('Mul', [active, up], [at('hidden')]), at('ffn_down.weight'), at('down'));
  const next = await vector(n + 1 < layers ? `blk.${n + 1}.attn_norm.weight` : 'output_norm.weight');
  return [skipNorm(at('middle.sum'), down, next, at('next'), at('next.sum')), at('next.sum')];
}

/** Rows of the table, unpacked by usual operators: onnxruntime's WebAssembly has no GatherBlockQuantized (1.31). */
async function embedded() {
  const { rows, cols, codes, scales } = await planes('token_embd.weight');
  const byte = (name, value) => constant(name, UINT8, [], Buffer.from([value]));
  const axis = i64('byte.axis', [1], [3]);
  const pairs = node('Gather', [constant('table.codes', UINT8, [rows, cols / 2], codes), 'input_ids'], ['pairs'], { axis: 0 });
  const low = node('Unsqueeze', [node('BitwiseAnd', [pairs, byte('fifteen', 15)], ['low']), axis], ['low.one']);
  const high = node('Unsqueeze', [node('BitShift', [pairs, byte('four', 4)], ['high'], { direction: { s: 'RIGHT' } }), axis], ['high.one']);
  const both = node('Concat', [low, high], ['both'], { axis: 3 });
  const blocks = node('Reshape', [both, i64('blocks.shape', [4], [0, 0, cols / BLOCK, BLOCK])], ['blocks']);
  const centred = node('Sub', [node('Cast', [blocks], ['floats'], { to: FLOAT }), f32('eight', [], [8])], ['centred']);
  const scale = node('Gather', [constant('table.scales', FLOAT, [rows, cols / BLOCK], scales), 'input_ids'], ['scale'], { axis: 0 });
  const scaled = node('Mul', [centred, node('Unsqueeze', [scale, axis], ['scale.one'])], ['scaled']);
  return node('Reshape', [scaled, i64('row.shape', [3], [0, 0, cols])], ['embedded']);
}

async function graph() {
  let residual = await embedded();
  const counted = node('ReduceSum', ['attention_mask', i64('axis', [1], [1])], ['counted'], { keepdims: 0 });
  node('Cast', [node('Sub', [counted, i64('one', [1], [1])], ['last'])], ['seqlens_k'], { to: INT32 });
  const total = node('Gather', [node('Shape', ['attention_mask'], ['mask.shape']), i64('second', [], [1])], ['mask.length'], { axis: 0 });
  node('Cast', [total], ['total'], { to: INT32 });
  let x = norm(residual, await vector('blk.0.attn_norm.weight'), 'first');
  for (let n = 0; n < layers; n++) [x, residual] = await layer(n, x, residual);
  const ends = [i64('from', [1], [-1]), i64('to', [1], [2 ** 31]), 'axis'];
  const lastOnly = node('Slice', [x, ...ends], ['last.hidden']);
  const head = checkpoint.tensors.has('output.weight') ? 'output.weight' : 'token_embd.weight';
  await product(lastOnly, head, 'logits');
}

await graph();
const cache = (name, length) => input(name, FLOAT, ['batch_size', kvHeads, length, headDim]);
// The library makes empty caches by these names of sizes.
const each = (of) => Array.from({ length: layers }, (_, n) => ['key', 'value'].map((what) => of(n, what))).flat();
const file = modelFile({
  nodes, initializers,
  inputs: [
    input('input_ids', INT64, ['batch_size', 'sequence_length']),
    input('attention_mask', INT64, ['batch_size', 'total_sequence_length']),
    ...each((n, what) => cache(`past_key_values.${n}.${what}`, 'past_sequence_length')),
  ],
  outputs: [
    input('logits', FLOAT, ['batch_size', 1, vocabSize]),
    ...each((n, what) => cache(`present.${n}.${what}`, 'total_sequence_length')),
  ],
});
mkdirSync(join(out, 'onnx'), { recursive: true });
writeFileSync(join(out, 'onnx', 'model_q4.onnx'), file);
writeFileSync(join(out, 'config.json'), JSON.stringify({
  model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'], vocab_size: vocabSize, hidden_size: dim, num_hidden_layers: layers,
  num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim: headDim, intermediate_size: ffnDim, rms_norm_eps: rmsEps,
  rope_theta: rope.theta, max_position_embeddings: positions, tie_word_embeddings: true, hidden_act: 'silu',
}, undefined, 2));
await checkpoint.close();
console.log(`${out}: ${nodes.length} nodes, ${(file.length / 1e6).toFixed(0)} MB`);
