/** Byte offsets in the block through which host and threads meet; `assembly/control.ts` holds the same numbers. */
export const CONTROL = {
  generation: 0,
  barrier: 128,
  threads: 384,
  program: 388,
  programEnd: 392,
  step: 396,
  scratch: 400,
  scratchBytes: 404,
  spins: 408,
  stop: 412,
  hosted: 420,
  burst: 424,
  lastGeneration: 448,
} as const;

/** Bytes of the block for a number of threads: each has a cache line of its own after the shared ones, and the host one. */
export function controlBytes(threads: number): number {
  return 512 + 64 * (threads + 1);
}
