import { encodeSymmetricGroups } from './encode-symmetric-groups.ts';
import { blockFormat } from './weight-format.ts';

/** Super-blocks of 16 groups of 16: 32 bytes of high bits, 64 bytes of low pairs of bits, 12 bytes of 6-bit scales, f16 scale. */
const LAYOUT = {
  name: 'q3_k', ggmlId: 11, blockSize: 256, blockBytes: 110, groupSize: 16,
  codeBits: 3, codePlanes: [{ bits: 2, offset: 32, run: 32, codeShift: 0 }, { bits: 1, offset: 0, run: 32, codeShift: 2 }],
  code: { kind: 'offset', zeroPoint: 4 },
  scale: { levels: 2, format: 'f16', offset: 108, subOffset: 96, subPacking: 'k3' },
  minimum: undefined,
} as const;

export const Q3_K = blockFormat({ ...LAYOUT, encode: encodeSymmetricGroups(LAYOUT) });
