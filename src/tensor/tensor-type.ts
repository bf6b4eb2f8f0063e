/**
 * The element types that model files name, with their block sizes: the formats that Ingot computes with, and those that it knows by name
 * alone. Ids, block lengths and block bytes are ggml's (ggml.h, `enum ggml_type`).
 */
import { formatOf, isWeightType, WEIGHT_FORMATS } from './formats/weight-formats.ts';

export type { WeightType } from './formats/weight-formats.ts';
export { isWeightType, WEIGHT_TYPES } from './formats/weight-formats.ts';

export interface TensorTypeInfo {
  /** Lower-case name used everywhere in Ingot. */
  readonly name: string;
  /** ggml type id, as GGUF stores it; undefined for types that only safetensors files name. */
  readonly ggmlId: number | undefined;
  /** Elements of one block; a row holds a whole number of blocks. */
  readonly blockSize: number;
  /** Bytes of one block. */
  readonly blockBytes: number;
}

function info<Name extends string>(name: Name, ggmlId: number | undefined, blockSize: number, blockBytes: number) {
  return { name, ggmlId, blockSize, blockBytes } as const;
}

/** Types whose values are not computed with: integers, and formats that are refused by name. */
const OTHER_TYPES = {
  iq2_xxs: info('iq2_xxs', 16, 256, 66),
  iq2_xs: info('iq2_xs', 17, 256, 74),
  iq3_xxs: info('iq3_xxs', 18, 256, 98),
  iq1_s: info('iq1_s', 19, 256, 50),
  iq3_s: info('iq3_s', 21, 256, 110),
  iq2_s: info('iq2_s', 22, 256, 82),
  i8: info('i8', 24, 1, 1),
  i16: info('i16', 25, 1, 2),
  i32: info('i32', 26, 1, 4),
  i64: info('i64', 27, 1, 8),
  f64: info('f64', 28, 1, 8),
  iq1_m: info('iq1_m', 29, 256, 56),
  tq1_0: info('tq1_0', 34, 256, 54),
  tq2_0: info('tq2_0', 35, 256, 66),
  q1_0: info('q1_0', 41, 128, 18),
  q2_0: info('q2_0', 42, 64, 18),
  q8_1: info('q8_1', 9, 32, 36),
  q8_k: info('q8_k', 15, 256, 292),
  u8: info('u8', undefined, 1, 1),
  u16: info('u16', undefined, 1, 2),
  u32: info('u32', undefined, 1, 4),
  bool: info('bool', undefined, 1, 1),
  f8_e4m3: info('f8_e4m3', undefined, 1, 1),
  f8_e5m2: info('f8_e5m2', undefined, 1, 1),
  u64: info('u64', undefined, 1, 8),
} as const satisfies Record<string, TensorTypeInfo>;

/** Every type a file may name. */
export const TENSOR_TYPES = { ...OTHER_TYPES, ...WEIGHT_FORMATS } as const;

export type TensorType = keyof typeof TENSOR_TYPES;

/** True for types whose values are stored as codes with scales. */
export function isQuantized(type: TensorType): boolean {
  return isWeightType(type) ? formatOf(type).kind === 'block' : TENSOR_TYPES[type].blockSize > 1;
}

const byGgmlId = new Map<number | undefined, TensorType>(
  (Object.keys(TENSOR_TYPES) as TensorType[]).map((type) => [TENSOR_TYPES[type].ggmlId, type]),
);
byGgmlId.delete(undefined);

/** The type with a ggml id, or undefined for an id that this list does not know. */
export function tensorTypeOfGgmlId(ggmlId: number): TensorType | undefined {
  return byGgmlId.get(ggmlId);
}

/** Values of a shape; 1 of an empty one. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Bytes of `count` elements laid out as whole blocks; `count` must be a multiple of the block size. */
export function bytesOfElements(type: TensorType, count: number): number {
  const { blockSize, blockBytes } = TENSOR_TYPES[type];
  if (count % blockSize !== 0) {
    throw new RangeError(`${type} stores blocks of ${blockSize} elements; ${count} elements are not a whole number of them`);
  }
  return (count / blockSize) * blockBytes;
}
