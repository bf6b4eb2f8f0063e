/** The two builds of the kernel module as bytes; they have the same exports. */
export interface KernelBytes {
  /** For every engine with WebAssembly SIMD and threads: `ingot/wasm/cpu.wasm`. */
  readonly plain: ArrayBuffer | Uint8Array<ArrayBuffer>;
  /** Taken in its place where the engine has relaxed SIMD: `ingot/wasm/cpu-relaxed.wasm`. */
  readonly relaxed?: ArrayBuffer | Uint8Array<ArrayBuffer> | undefined;
}
