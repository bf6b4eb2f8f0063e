/** What the records of {@link KV_RECORDS} mean, value by value: the reference rounds by it, and kernels must agree. */
import { f16ToF32, f32ToF16 } from '../tensor/half.ts';
import { KV_RECORDS, kvGroups } from './kv-types.ts';
import type { KvGroup, KvType } from './kv-types.ts';

const value = new Float32Array(1);
const bits = new Uint32Array(value.buffer);

export interface KvCodes {
  /** A code a value, groups filled up with zeros. */
  readonly codes: Int8Array;
  /** bf16 patterns, one a group. */
  readonly scales: Uint16Array;
}

/** A bf16 pattern of at least the magnitude; NaN for what is not finite. */
function bf16Above(magnitude: number): number {
  value[0] = magnitude;
  const pattern = bits[0] as number;
  return pattern >= 0x7f800000 ? 0x7fc0 : (pattern + 0xffff) >>> 16;
}

function bf16Value(pattern: number): number {
  bits[0] = pattern << 16;
  return value[0] as number;
}

function roundTiesToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

/** Below this a scale counts as none: its reciprocal is too near f32's end. */
const LEAST_SCALE = 2 ** -100;

function encodeGroup({ levels, codes: kind }: KvGroup, own: Float32Array, codes: Int8Array): number {
  let extreme = 0;
  for (const x of own) {
    if (!Number.isFinite(x)) return 0x7fc0;
    if (Math.abs(x) > Math.abs(extreme) || x === -Math.abs(extreme)) extreme = x;
  }
  const magnitude = bf16Above(Math.fround(Math.abs(extreme) * Math.fround(1 / levels)));
  if (bf16Value(magnitude) < LEAST_SCALE) return 0;
  const isExtreme = kind === 'extreme';
  const pattern = isExtreme && extreme > 0 ? magnitude | 0x8000 : magnitude;
  const reciprocal = Math.fround(1 / bf16Value(pattern));
  own.forEach((x, i) => {
    codes[i] = Math.max(-levels, Math.min(isExtreme ? levels - 1 : levels, roundTiesToEven(Math.fround(x * reciprocal))));
  });
  return pattern;
}

/** Codes of one head's key or value. */
export function encodeKv(type: KvType, values: ArrayLike<number>): KvCodes {
  const { group } = KV_RECORDS[type];
  if (group === undefined) throw new Error(`${type} has no codes`);
  const groups = kvGroups(type, values.length);
  const padded = new Float32Array(groups * group.values);
  padded.set(values);
  const codes = new Int8Array(padded.length);
  const scales = Uint16Array.from({ length: groups }, (_, i) => {
    const [from, to] = [i * group.values, (i + 1) * group.values];
    return encodeGroup(group, padded.subarray(from, to), codes.subarray(from, to));
  });
  return { codes, scales };
}

/** Values of heads of `dim` each, as pages of the type keep them. */
export function roundKv(type: KvType, values: Float64Array, dim: number): Float64Array {
  if (type === 'f32') return values.map(Math.fround);
  if (type === 'f16') return values.map((x) => f16ToF32(f32ToF16(x)));
  const out = new Float64Array(values.length);
  for (let from = 0; from < values.length; from += dim) {
    const { codes, scales } = encodeKv(type, values.subarray(from, from + dim));
    for (let i = 0; i < dim; i++) out[from + i] = (codes[i] as number) * bf16Value(scales[i >> 4] as number);
  }
  return out;
}
