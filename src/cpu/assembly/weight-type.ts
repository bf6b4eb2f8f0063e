/** Codes of weight types, as in `src/cpu/kernel-module.ts`. */
export const F32: i32 = 0;
export const F16: i32 = 1;
export const BF16: i32 = 2;
export const Q8_0: i32 = 3;
export const Q4_0: i32 = 4;
export const Q4_K: i32 = 5;
export const Q6_K: i32 = 6;

export const Q8_0_BYTES: usize = 34;
export const Q4_0_BYTES: usize = 18;
export const Q4_K_BYTES: usize = 144;
export const Q6_K_BYTES: usize = 210;
