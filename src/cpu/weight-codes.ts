import type { WeightType } from '../tensor/tensor-type.ts';

/** How the WASM kernels name weight types; `assembly/weight-type.ts` holds the same numbers. */
export const WEIGHT_CODES = { f32: 0, f16: 1, bf16: 2, q8_0: 3, q4_0: 4, q4_k: 5, q6_k: 6 } as const satisfies Record<WeightType, number>;
