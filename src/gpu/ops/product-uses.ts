/** Kernels of a product at work in a plan. */
import { halvesBytes } from '../kernels/matrix-gemm/ready-halves.ts';
import type { BufferRef, GridCounts, KernelUse } from '../plan/kernel-use.ts';
import type { ProductKernel } from './linear-kernels.ts';

export interface ProductUses {
  /** By binding name. */
  readonly buffers: Readonly<Record<string, BufferRef>>;
  readonly cost: KernelUse['cost'];
  /** Rows of x. */
  rowsOf(counts: GridCounts): number;
}

const PARTIALS: BufferRef = { kind: 'partials' };
const HALVES: BufferRef = { kind: 'halves' };

/**
 * Of several kernels those run that have workgroups; what one leaves partial, the next finishes. The product itself has the cost, not what
 * makes x ready for it or finishes it.
 */
export function productUses(products: readonly ProductKernel[], { buffers, cost, rowsOf }: ProductUses): readonly KernelUse[] {
  return products.map(({ kernel, workgroups, partialBytes, halvesWidth }, i): KernelUse => {
    const isEnd = products[i - 1]?.partialBytes !== undefined;
    const isRun = (counts: GridCounts) => !isEnd && !halvesWidth && workgroups(rowsOf(counts))[0] > 0;
    return {
      kernel,
      buffers: {
        ...buffers, ...(partialBytes && { y: PARTIALS }), ...(isEnd && { partials: PARTIALS }),
        ...(kernel.bindings.some(({ name }) => name === 'xHalves') && { xHalves: HALVES }),
        ...(kernel.sizes && { sizes: { kind: 'sizes' as const, words: kernel.sizes } }),
      },
      workgroups: (counts) => workgroups(rowsOf(counts)),
      cost: (counts) => (isRun(counts) ? cost(counts) : { bytes: 0, multiplyAdds: 0 }),
      ...(partialBytes && { partialBytes }),
      ...(halvesWidth && { halvesBytes: (counts: GridCounts) => halvesBytes(halvesWidth, rowsOf(counts)) }),
    };
  });
}
