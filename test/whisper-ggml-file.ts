/** Files of whisper.cpp made by hand, sound or damaged, by the layout of its convert script (models/convert-pt-to-ggml.py). */
import { ByteBuilder } from './model-bytes.ts';
import { encodeRows } from '../src/tensor/codec/encode-rows.ts';
import { randomSource } from '../src/tensor/codec/random-weights.ts';
import { bytesOfElements, TENSOR_TYPES } from '../src/tensor/tensor-type.ts';
import type { WeightType } from '../src/tensor/tensor-type.ts';

export interface GgmlTensor {
  readonly name: string;
  /** Outermost first. */
  readonly shape: readonly number[];
  readonly typeId?: number;
  readonly bytes: Uint8Array;
}

export interface GgmlSpec {
  readonly magic?: number;
  /** In the file's order: vocabulary, sound positions, width, encoder heads, layers, text positions, width, heads, layers, bands, type. */
  readonly sizes: readonly number[];
  readonly bins?: number;
  readonly filterBands?: number;
  readonly filters?: Float32Array;
  readonly tokenCount?: number;
  readonly tokens: readonly Uint8Array[];
  readonly tensors: readonly GgmlTensor[];
}

export function ggmlBytes(spec: GgmlSpec): Uint8Array {
  const { magic = 0x67676d6c, sizes, bins = 201, filterBands, filters, tokenCount, tokens, tensors } = spec;
  const bands = sizes[9]!;
  const builder = new ByteBuilder().scalar('u32', magic);
  for (const size of sizes) builder.scalar('i32', size);
  builder.scalar('i32', filterBands ?? bands).scalar('i32', bins);
  builder.bytes(new Uint8Array((filters ?? new Float32Array(bands * bins).fill(0.01)).buffer));
  builder.scalar('i32', tokenCount ?? tokens.length);
  for (const token of tokens) builder.scalar('i32', token.length).bytes(token);
  for (const { name, shape, typeId = 0, bytes } of tensors) {
    builder.scalar('i32', shape.length).scalar('i32', name.length).scalar('i32', typeId);
    for (const size of shape.toReversed()) builder.scalar('i32', size);
    builder.bytes(new TextEncoder().encode(name)).bytes(bytes);
  }
  return builder.build();
}

export interface MadeWhisper {
  readonly dim: number;
  readonly vocabSize: number;
  readonly positions: number;
  readonly bands: number;
  /** Of the matrices. */
  readonly type: WeightType;
  readonly tokens: readonly Uint8Array[];
  readonly filters?: Float32Array;
  readonly bins?: number;
}

const CONTEXT = 32;

/** A model of one layer each of random weights, all of whose tensors are there. */
export function madeWhisper({ dim, vocabSize, positions, bands, type, tokens, ...more }: MadeWhisper): Uint8Array {
  const random = randomSource(7);
  const tensorOf = (name: string, shape: readonly number[], own: WeightType = 'f32'): GgmlTensor => {
    const count = shape.reduce((product, size) => product * size, 1);
    const bytes = new Uint8Array(bytesOfElements(own, count));
    encodeRows(own, Float32Array.from({ length: count }, () => (random() - 0.5) * 0.6), bytes);
    return { name, shape, typeId: TENSOR_TYPES[own].ggmlId!, bytes };
  };
  const product = (name: string, out: number, width: number, hasBias = true): GgmlTensor[] =>
    [tensorOf(`${name}.weight`, [out, width], type), ...(hasBias ? [tensorOf(`${name}.bias`, [out])] : [])];
  const norm = (name: string): GgmlTensor[] => [tensorOf(`${name}.weight`, [dim]), tensorOf(`${name}.bias`, [dim])];
  const attention = (name: string): GgmlTensor[] =>
    ['query', 'key', 'value', 'out'].flatMap((part) => product(`${name}.${part}`, dim, dim, part !== 'key'));
  const layer = (name: string): GgmlTensor[] => [
    ...norm(`${name}.attn_ln`), ...attention(`${name}.attn`), ...norm(`${name}.mlp_ln`), ...product(`${name}.mlp.0`, 4 * dim, dim),
    ...product(`${name}.mlp.2`, dim, 4 * dim),
  ];
  const convolution = (n: number, from: number): GgmlTensor[] =>
    [tensorOf(`encoder.conv${n}.weight`, [dim, from, 3], type === 'f32' ? 'f32' : 'f16'), tensorOf(`encoder.conv${n}.bias`, [dim, 1])];
  const tensors = [
    ...convolution(1, bands), ...convolution(2, dim), tensorOf('encoder.positional_embedding', [positions, dim]),
    ...layer('encoder.blocks.0'),
    ...norm('encoder.ln_post'), tensorOf('decoder.token_embedding.weight', [vocabSize, dim], type),
    tensorOf('decoder.positional_embedding', [CONTEXT, dim]), ...layer('decoder.blocks.0'), ...norm('decoder.blocks.0.cross_attn_ln'),
    ...attention('decoder.blocks.0.cross_attn'), ...norm('decoder.ln'),
  ];
  const fileType = type === 'f32' ? 0 : type === 'f16' ? 1 : 2007;
  return ggmlBytes({ sizes: [vocabSize, positions, dim, 2, 1, CONTEXT, dim, 2, 1, bands, fileType], tokens, tensors, ...more });
}

/** As many different tokens of bytes: 256 of one, then of two, then of three, so that each is made by a merge of lower ones. */
export function madeTokens(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, id) => {
    if (id < 256) return Uint8Array.of(id);
    const rest = id - 256;
    return Uint8Array.of(97 + (rest % 26), Math.floor(rest / 26) % 256, ...(rest < 26 * 256 ? [] : [32 + Math.floor(rest / (26 * 256))]));
  });
}
