/** Unrolled loops: WGSL text once for each of a number of copies. */

/** 0 .. count - 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The text that `make` gives for 0 .. count - 1, a line each. */
export const unrolled = (count: number, make: (i: number) => string): string => range(count).map(make).join('\n');
