/** A sound GGUF model of a few kilobytes, built by hand, with a tokenizer; and the same with one thing wrong. */
import { array, ggufBytes, text, u32 } from '../model-bytes.ts';
import type { GgufValue } from '../model-bytes.ts';

/** ggml's id, block size and bytes of a block, written down here again so that a wrong table in src is noticed. */
const types = {
  f32: { id: 0, block: 1, bytes: 4 },
  f16: { id: 1, block: 1, bytes: 2 },
  bf16: { id: 30, block: 1, bytes: 2 },
  q4_0: { id: 2, block: 32, bytes: 18 },
  q8_0: { id: 8, block: 32, bytes: 34 },
  q4_k: { id: 12, block: 256, bytes: 144 },
  q6_k: { id: 14, block: 256, bytes: 210 },
  tq2_0: { id: 35, block: 256, bytes: 66 },
  iq3_s: { id: 21, block: 256, bytes: 110 },
  f64: { id: 28, block: 1, bytes: 8 },
  i32: { id: 26, block: 1, bytes: 4 },
} as const;
export type TinyType = keyof typeof types;

export interface TinyTensor {
  readonly name: string;
  readonly type: TinyType;
  /** Outermost first. */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface TinyChanges {
  /** Replaces or adds; undefined removes. */
  readonly metadata?: Readonly<Record<string, GgufValue | undefined>>;
  readonly tensors?: (tensors: readonly TinyTensor[]) => readonly TinyTensor[];
  /** Of all matrices but the embedding table. */
  readonly type?: TinyType;
  readonly dim?: number;
}

const vocabulary = [
  '<unk>',
  '<s>',
  '</s>',
  ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  '\u2581',
  'a',
  'b',
  '\u2581a',
];

export function tensor(name: string, type: TinyType, shape: readonly number[]): TinyTensor {
  const { block, bytes } = types[type];
  const elements = shape.reduce((a, b) => a * b, 1);
  const data = new Uint8Array((elements / block) * bytes);
  if (type === 'f32') {
    const isVector = shape.length === 1;
    new Float32Array(data.buffer).forEach((_, i, all) => (all[i] = isVector ? 1 : Math.sin(i + name.length) * 0.2));
  }
  return { name, type, shape, bytes: data };
}

function soundTensors(dim: number, type: TinyType): TinyTensor[] {
  const matrix = (name: string, rows = dim) => tensor(`blk.0.${name}.weight`, type, [rows, dim]);
  return [
    tensor('token_embd.weight', 'f32', [vocabulary.length, dim]),
    tensor('blk.0.attn_norm.weight', 'f32', [dim]),
    matrix('attn_q'),
    matrix('attn_k', dim / 2),
    matrix('attn_v', dim / 2),
    matrix('attn_output'),
    tensor('blk.0.ffn_norm.weight', 'f32', [dim]),
    matrix('ffn_gate'),
    matrix('ffn_up'),
    matrix('ffn_down'),
    tensor('output_norm.weight', 'f32', [dim]),
  ];
}

function soundMetadata(dim: number): Record<string, GgufValue | undefined> {
  return {
    'general.architecture': text('llama'),
    'llama.embedding_length': u32(dim),
    'llama.block_count': u32(1),
    'llama.feed_forward_length': u32(dim),
    'llama.attention.head_count': u32(2),
    'llama.attention.head_count_kv': u32(1),
    'llama.context_length': u32(128),
    'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-5 },
    'llama.rope.freq_base': { type: 'f32', value: 10000 },
    'tokenizer.ggml.model': text('llama'),
    'tokenizer.ggml.tokens': array('string', vocabulary),
    'tokenizer.ggml.scores': array('f32', vocabulary.map((_, id) => -id)),
    'tokenizer.ggml.token_type': array('i32', vocabulary.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1))),
    'tokenizer.ggml.bos_token_id': u32(1),
    'tokenizer.ggml.eos_token_id': u32(2),
    'tokenizer.chat_template': text("{% for message in messages %}{{ message['content'] }}{% endfor %}"),
  };
}

export const tinyVocabulary: readonly string[] = vocabulary;

/** The file, with the changes. */
export function tinyModel({ metadata = {}, tensors = (sound) => sound, type = 'f32', dim = 32 }: TinyChanges = {}): Uint8Array {
  const keys = Object.entries({ ...soundMetadata(dim), ...metadata }).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  const chosen = tensors(soundTensors(dim, type));
  const padded = (bytes: number) => Math.ceil(bytes / 32) * 32;
  const data = new Uint8Array(chosen.reduce((sum, { bytes }) => sum + padded(bytes.length), 0));
  let offset = 0;
  const table = chosen.map((each) => {
    data.set(each.bytes, offset);
    const entry = { name: each.name, dims: each.shape.toReversed(), typeId: types[each.type].id, offset };
    offset += padded(each.bytes.length);
    return entry;
  });
  return ggufBytes({ metadata: keys, tensors: table, data });
}

/** Changes one tensor. */
export function replacing(name: string, change: (tensor: TinyTensor) => TinyTensor) {
  return (tensors: readonly TinyTensor[]): readonly TinyTensor[] => tensors.map((each) => (each.name === name ? change(each) : each));
}
