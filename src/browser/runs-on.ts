/** Where a model computes in a browser, and why there. */
export interface RunsOn {
  readonly device: 'gpu' | 'software' | 'cpu';
  /** `gpu (apple metal-3, profile apple)`, `cpu (4 threads, relaxed SIMD)`. */
  readonly description: string;
  /** Of the CPU. */
  readonly threads: number | undefined;
  /** In sentences, for people: that there is no WebGPU here, that the page is not isolated so that there is one thread. */
  readonly reasons: readonly string[];
}
