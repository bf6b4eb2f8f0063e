import { encodeAffineGroups } from './encode-affine-groups.ts';
import { blockFormat } from './weight-format.ts';

/** Super-blocks of 16 groups of 16: 16 bytes of 4-bit scales and minimums, 64 bytes of 2-bit codes, f16 scale, f16 scale of minimums. */
const LAYOUT = {
  name: 'q2_k', ggmlId: 10, blockSize: 256, blockBytes: 84, groupSize: 16,
  codeBits: 2, codePlanes: [{ bits: 2, offset: 16, run: 32, codeShift: 0 }],
  code: { kind: 'offset', zeroPoint: 0 },
  scale: { levels: 2, format: 'f16', offset: 80, subOffset: 0, subPacking: 'nibbles' },
  minimum: { value: { levels: 2, format: 'f16', offset: 82, subOffset: 0, subPacking: 'nibbles' }, sign: -1 },
} as const;

export const Q2_K = blockFormat({ ...LAYOUT, encode: encodeAffineGroups(LAYOUT) });
