import { E4M3_VALUES } from './scale-values.ts';
import { blockFormat } from './weight-format.ts';

/** MLX's mxfp8 (OCP Microscaling 1.0): an exponent, then 32 e4m3 values. Read from two tensors, so that the block is Ingot's own. */
export const MXFP8 = blockFormat({
  name: 'mxfp8', ggmlId: undefined, blockSize: 32, blockBytes: 33, groupSize: 32,
  codeBits: 8, codePlanes: [{ bits: 8, offset: 1, run: 32, codeShift: 0 }],
  code: { kind: 'floats', values: E4M3_VALUES },
  scale: { levels: 1, format: 'e8m0', offset: 0 }, minimum: undefined,
});
