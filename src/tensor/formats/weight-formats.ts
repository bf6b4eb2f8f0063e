/** The formats that Ingot computes with. A new one is a file of its own and a line here; lists, checks and tests follow. */
import { AFFINE_2 } from './affine-2.ts';
import { AFFINE_3 } from './affine-3.ts';
import { AFFINE_4 } from './affine-4.ts';
import { AFFINE_5 } from './affine-5.ts';
import { AFFINE_6 } from './affine-6.ts';
import { AFFINE_8 } from './affine-8.ts';
import { BF16 } from './bf16.ts';
import { F16 } from './f16.ts';
import { F32 } from './f32.ts';
import { FP8 } from './fp8.ts';
import { IQ4_NL } from './iq4-nl.ts';
import { IQ4_XS } from './iq4-xs.ts';
import { MXFP4 } from './mxfp4.ts';
import { MXFP8 } from './mxfp8.ts';
import { NVFP4 } from './nvfp4.ts';
import { Q2_K } from './q2-k.ts';
import { Q3_K } from './q3-k.ts';
import { Q4_0 } from './q4-0.ts';
import { Q4_1 } from './q4-1.ts';
import { Q4_K } from './q4-k.ts';
import { Q5_0 } from './q5-0.ts';
import { Q5_1 } from './q5-1.ts';
import { Q5_K } from './q5-k.ts';
import { Q6_K } from './q6-k.ts';
import { Q8_0 } from './q8-0.ts';
import type { BlockFormat, WeightFormat } from './weight-format.ts';
import { ZERO_POINT_4 } from './zero-point-4.ts';

export const WEIGHT_FORMATS = {
  f32: F32, f16: F16, bf16: BF16,
  q8_0: Q8_0, q4_0: Q4_0, q4_1: Q4_1, q5_0: Q5_0, q5_1: Q5_1,
  q2_k: Q2_K, q3_k: Q3_K, q4_k: Q4_K, q5_k: Q5_K, q6_k: Q6_K,
  iq4_nl: IQ4_NL, iq4_xs: IQ4_XS, mxfp4: MXFP4, nvfp4: NVFP4,
  mxfp8: MXFP8, fp8_g128: FP8,
  ...AFFINE_2, ...AFFINE_3, ...AFFINE_4, ...AFFINE_5, ...AFFINE_6, ...AFFINE_8, ...ZERO_POINT_4,
} as const satisfies Readonly<Record<string, WeightFormat>>;

/** The types of weights that the executors multiply with. */
export type WeightType = keyof typeof WEIGHT_FORMATS;
export const WEIGHT_TYPES = Object.keys(WEIGHT_FORMATS) as readonly WeightType[];

export function isWeightType(type: string): type is WeightType {
  return Object.hasOwn(WEIGHT_FORMATS, type);
}

export function formatOf(type: WeightType): WeightFormat {
  return WEIGHT_FORMATS[type];
}

/** The record of a format of blocks; throws Error for one of floats. */
export function blockFormatOf(type: WeightType): BlockFormat {
  const format = formatOf(type);
  if (format.kind !== 'block') throw new Error(`${type} has no blocks`);
  return format;
}

/** True where products round activations to int8: the codes stand for small integers. Other formats multiply floats. */
export function takesInt8(type: WeightType): boolean {
  const format = formatOf(type);
  return format.kind === 'block' && format.code.kind !== 'floats';
}

/** The types that weights can be written in. */
export const ENCODED_TYPES: readonly WeightType[] = WEIGHT_TYPES.filter((type) => formatOf(type).encode !== undefined);

/** Names of types in a sentence, the many widths of MLX as one. */
export function typesInWords(types: readonly WeightType[] = WEIGHT_TYPES): string {
  const names = types.filter((type) => !type.startsWith('affine'));
  return [...names, ...(names.length < types.length ? ["MLX's affine types"] : [])].join(', ').replace(/, ([^,]+)$/, ' and $1');
}
