/** Builds small GGUF and safetensors files by hand, sound or damaged, independent of the writers in src/files. */
import type { FixtureTensor } from './fixture-tensors.ts';

/** Value type ids of GGUF. */
const typeIds = { u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10, i64: 11, f64: 12 } as const;
type TypeName = keyof typeof typeIds;

export interface GgufValue {
  readonly type: TypeName;
  readonly value: unknown;
  /** Of an array. */
  readonly item?: TypeName;
}

export interface GgufTensor {
  readonly name: string | Uint8Array;
  /** Innermost first, as in the file. */
  readonly dims: readonly (number | bigint)[];
  readonly typeId: number;
  readonly offset: number | bigint;
}

export interface GgufSpec {
  readonly magic?: string;
  readonly version?: number;
  readonly tensorCount?: bigint;
  readonly keyCount?: bigint;
  readonly metadata?: readonly (readonly [string | Uint8Array, GgufValue])[];
  readonly tensors?: readonly GgufTensor[];
  readonly alignment?: number;
  readonly data?: Uint8Array;
}

export class ByteBuilder {
  private readonly chunks: Uint8Array[] = [];
  length = 0;

  bytes(chunk: Uint8Array): this {
    this.chunks.push(chunk);
    this.length += chunk.length;
    return this;
  }

  scalar(type: TypeName, value: unknown): this {
    const view = new DataView(new ArrayBuffer(8));
    const number = value as number;
    const write: Record<string, () => number> = {
      u8: () => (view.setUint8(0, number), 1),
      i8: () => (view.setInt8(0, number), 1),
      bool: () => (view.setUint8(0, Number(number)), 1),
      u16: () => (view.setUint16(0, number, true), 2),
      i16: () => (view.setInt16(0, number, true), 2),
      u32: () => (view.setUint32(0, number, true), 4),
      i32: () => (view.setInt32(0, number, true), 4),
      f32: () => (view.setFloat32(0, number, true), 4),
      f64: () => (view.setFloat64(0, number, true), 8),
      u64: () => (view.setBigUint64(0, BigInt(number), true), 8),
      i64: () => (view.setBigInt64(0, BigInt(number), true), 8),
    };
    const size = write[type]!();
    return this.bytes(new Uint8Array(view.buffer, 0, size));
  }

  string(text: string | Uint8Array): this {
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    return this.scalar('u64', bytes.length).bytes(bytes);
  }

  value({ type, value, item }: GgufValue): this {
    if (type === 'string') return this.string(value as string);
    if (type !== 'array') return this.scalar(type, value);
    const items = value as readonly unknown[];
    this.scalar('u32', typeIds[item!]).scalar('u64', items.length);
    for (const each of items) {
      if (item === 'array') this.value(each as GgufValue);
      else this.value({ type: item!, value: each });
    }
    return this;
  }

  build(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    let offset = 0;
    for (const chunk of this.chunks) {
      bytes.set(chunk, offset);
      offset += chunk.length;
    }
    return bytes;
  }
}

export const text = (value: string | Uint8Array): GgufValue => ({ type: 'string', value });
export const array = (item: TypeName, value: readonly unknown[]): GgufValue => ({ type: 'array', item, value });
export const u32 = (value: number): GgufValue => ({ type: 'u32', value });
export const u16 = (value: number): GgufValue => ({ type: 'u16', value });

export function ggufBytes(spec: GgufSpec): Uint8Array {
  const { metadata = [['general.architecture', text('llama')]], tensors = [], alignment = 32 } = spec;
  const builder = new ByteBuilder().bytes(new TextEncoder().encode(spec.magic ?? 'GGUF')).scalar('u32', spec.version ?? 3);
  builder.scalar('u64', spec.tensorCount ?? tensors.length).scalar('u64', spec.keyCount ?? metadata.length);
  for (const [key, value] of metadata) builder.string(key).scalar('u32', typeIds[value.type]).value(value);
  for (const { name, dims, typeId, offset } of tensors) {
    builder.string(name).scalar('u32', dims.length);
    for (const dim of dims) builder.scalar('u64', dim);
    builder.scalar('u32', typeId).scalar('u64', offset);
  }
  builder.bytes(new Uint8Array((alignment - (builder.length % alignment)) % alignment));
  return builder.bytes(spec.data ?? new Uint8Array(0)).build();
}

/** A sound file with every kind of value and three tensors. */
export function smallGguf(): Uint8Array {
  return ggufBytes({
    metadata: [
      ['general.architecture', text('llama')],
      ['general.alignment', u32(64)],
      ['llama.context_length', { type: 'u64', value: 2048 }],
      ['llama.rope.freq_base', { type: 'f32', value: 10000 }],
      ['tokenizer.ggml.tokens', array('string', ['<s>', 'hello', 'Ġworld', '▁über', '🦊', ''])],
      ['tokenizer.ggml.scores', array('f32', [0, -1, -2, -3, -4, -5])],
      ['tokenizer.ggml.token_type', array('i32', [3, 1, 1, 1, 1, 1])],
      ['nested', array('array', [array('u8', [1, 2]), array('string', ['x'])])],
      ['flag', { type: 'bool', value: true }],
      ['flags', array('bool', [true, false])],
    ],
    alignment: 64,
    tensors: [
      { name: 'token_embd.weight', dims: [32, 6], typeId: 8, offset: 0 },
      { name: 'output_norm.weight', dims: [32], typeId: 0, offset: 256 },
      { name: 'blk.0.attn_q.weight', dims: [32, 2], typeId: 1, offset: 384 },
    ],
    data: Uint8Array.from({ length: 512 }, (_, index) => index % 251),
  });
}

/** `header` is an object, or the very text of it. */
export function safetensorsBytes(header: unknown, data: Uint8Array, headerBytes?: bigint): Uint8Array {
  const json = typeof header === 'string' ? header : JSON.stringify(header);
  const encoded = new TextEncoder().encode(json);
  return new ByteBuilder().scalar('u64', headerBytes ?? encoded.length).bytes(encoded).bytes(data).build();
}

/** A safetensors file of tensors as they are. */
export function tensorFileBytes(tensors: ReadonlyMap<string, FixtureTensor>, metadata?: object): Uint8Array {
  let end = 0;
  const entries = [...tensors].map(([name, { dtype, shape, bytes }]) => {
    end += bytes.length;
    return [name, { dtype, shape, data_offsets: [end - bytes.length, end] }];
  });
  const header = { ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(entries) };
  return safetensorsBytes(header, Buffer.concat([...tensors.values()].map(({ bytes }) => bytes)));
}

/** A sound file with three tensors of different types. */
export function smallSafetensors(): Uint8Array {
  const header = {
    __metadata__: { format: 'pt' },
    'model.norm.weight': { dtype: 'F32', shape: [8], data_offsets: [0, 32] },
    'model.embed_tokens.weight': { dtype: 'BF16', shape: [4, 8], data_offsets: [32, 96] },
    'lm_head.weight': { dtype: 'I8', shape: [4, 4], data_offsets: [96, 112] },
  };
  return safetensorsBytes(header, Uint8Array.from({ length: 112 }, (_, index) => index));
}

export const utf8 = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
