import { encodeSymmetricGroups } from './encode-symmetric-groups.ts';
import { blockFormat } from './weight-format.ts';

/** Super-blocks of 16 groups of 16: 128 bytes of low nibbles, 64 of high pairs, 16 signed scales, f16 scale. */
const LAYOUT = {
  name: 'q6_k', ggmlId: 14, blockSize: 256, blockBytes: 210, groupSize: 16,
  codeBits: 6, codePlanes: [{ bits: 4, offset: 0, run: 64, codeShift: 0 }, { bits: 2, offset: 128, run: 32, codeShift: 4 }],
  code: { kind: 'offset', zeroPoint: 32 },
  scale: { levels: 2, format: 'f16', offset: 208, subOffset: 192, subPacking: 'bytes' },
  minimum: undefined,
} as const;

export const Q6_K = blockFormat({ ...LAYOUT, encode: encodeSymmetricGroups(LAYOUT) });
