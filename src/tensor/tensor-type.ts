/**
 * The element types that model files name, with their block sizes.
 * Ids, block lengths and block bytes are ggml's (ggml.h, `enum ggml_type`).
 */

export interface TensorTypeInfo {
  /** Lower-case name used everywhere in Ingot. */
  readonly name: string;
  /** ggml type id, as GGUF stores it. */
  readonly ggmlId: number;
  /** Elements of one block; a row holds a whole number of blocks. */
  readonly blockSize: number;
  /** Bytes of one block. */
  readonly blockBytes: number;
}

function info<Name extends string>(name: Name, ggmlId: number, blockSize: number, blockBytes: number) {
  return { name, ggmlId, blockSize, blockBytes } as const;
}

/** Every type a file may name. Only those of {@link WEIGHT_TYPES} can be computed with. */
export const TENSOR_TYPES = {
  f32: info('f32', 0, 1, 4),
  f16: info('f16', 1, 1, 2),
  q4_0: info('q4_0', 2, 32, 18),
  q4_1: info('q4_1', 3, 32, 20),
  q5_0: info('q5_0', 6, 32, 22),
  q5_1: info('q5_1', 7, 32, 24),
  q8_0: info('q8_0', 8, 32, 34),
  q2_k: info('q2_k', 10, 256, 84),
  q3_k: info('q3_k', 11, 256, 110),
  q4_k: info('q4_k', 12, 256, 144),
  q5_k: info('q5_k', 13, 256, 176),
  q6_k: info('q6_k', 14, 256, 210),
  iq2_xxs: info('iq2_xxs', 16, 256, 66),
  iq2_xs: info('iq2_xs', 17, 256, 74),
  iq3_xxs: info('iq3_xxs', 18, 256, 98),
  iq1_s: info('iq1_s', 19, 256, 50),
  iq4_nl: info('iq4_nl', 20, 32, 18),
  iq3_s: info('iq3_s', 21, 256, 110),
  iq2_s: info('iq2_s', 22, 256, 82),
  iq4_xs: info('iq4_xs', 23, 256, 136),
  i8: info('i8', 24, 1, 1),
  i16: info('i16', 25, 1, 2),
  i32: info('i32', 26, 1, 4),
  i64: info('i64', 27, 1, 8),
  f64: info('f64', 28, 1, 8),
  iq1_m: info('iq1_m', 29, 256, 56),
  bf16: info('bf16', 30, 1, 2),
  tq1_0: info('tq1_0', 34, 256, 54),
  tq2_0: info('tq2_0', 35, 256, 66),
  mxfp4: info('mxfp4', 39, 32, 17),
  nvfp4: info('nvfp4', 40, 64, 36),
  q1_0: info('q1_0', 41, 128, 18),
  q2_0: info('q2_0', 42, 64, 18),
  /** Types that only safetensors files name; the ids are outside ggml's range. */
  u8: info('u8', -1, 1, 1),
  u16: info('u16', -2, 1, 2),
  u32: info('u32', -3, 1, 4),
  bool: info('bool', -4, 1, 1),
  f8_e4m3: info('f8_e4m3', -5, 1, 1),
  f8_e5m2: info('f8_e5m2', -6, 1, 1),
  u64: info('u64', -7, 1, 8),
} as const satisfies Record<string, TensorTypeInfo>;

export type TensorType = keyof typeof TENSOR_TYPES;

/** The types that the executors can multiply with. */
export const WEIGHT_TYPES = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'] as const;
export type WeightType = (typeof WEIGHT_TYPES)[number];

export function isWeightType(type: TensorType): type is WeightType {
  return (WEIGHT_TYPES as readonly string[]).includes(type);
}

/** True for types whose values are stored as codes with scales; their activations are rounded to int8. */
export function isQuantized(type: TensorType): boolean {
  return TENSOR_TYPES[type].blockSize > 1;
}

const byGgmlId = new Map<number, TensorType>(
  (Object.keys(TENSOR_TYPES) as TensorType[]).map((type) => [TENSOR_TYPES[type].ggmlId, type]),
);

/** The type with a ggml id, or undefined for an id that this list does not know. */
export function tensorTypeOfGgmlId(ggmlId: number): TensorType | undefined {
  return ggmlId < 0 ? undefined : byGgmlId.get(ggmlId);
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
