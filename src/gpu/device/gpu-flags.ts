/** WebGPU's flags (its specification fixes the numbers): TypeScript's DOM library has no values for them. */

export const BUFFER_USAGE = { MAP_READ: 1, MAP_WRITE: 2, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 } as const;

export const MAP_MODE = { READ: 1, WRITE: 2 } as const;

/** What most buffers are for: kernels use them, and copies fill and read them. */
export const STORAGE_USAGE = BUFFER_USAGE.STORAGE | BUFFER_USAGE.COPY_SRC | BUFFER_USAGE.COPY_DST;
