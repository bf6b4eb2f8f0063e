import { encodeAffineGroups } from './encode-affine-groups.ts';
import { blockFormat } from './weight-format.ts';

/** Super-blocks of 8 groups of 32: f16 scale, f16 scale of minimums, 12 bytes of 6-bit pairs, 128 bytes of nibbles. */
const LAYOUT = {
  name: 'q4_k', ggmlId: 12, blockSize: 256, blockBytes: 144, groupSize: 32,
  codeBits: 4, codePlanes: [{ bits: 4, offset: 16, run: 32, codeShift: 0 }],
  code: { kind: 'offset', zeroPoint: 0 },
  scale: { levels: 2, format: 'f16', offset: 0, subOffset: 4, subPacking: 'k4' },
  minimum: { value: { levels: 2, format: 'f16', offset: 2, subOffset: 4, subPacking: 'k4' }, sign: -1 },
} as const;

export const Q4_K = blockFormat({ ...LAYOUT, encode: encodeAffineGroups(LAYOUT) });
