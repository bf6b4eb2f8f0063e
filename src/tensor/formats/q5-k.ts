import { encodeAffineGroups } from './encode-affine-groups.ts';
import { blockFormat } from './weight-format.ts';

/** As Q4_K, with a fifth bit: 32 bytes, whose bit g serves group g, before the nibbles. */
const LAYOUT = {
  name: 'q5_k', ggmlId: 13, blockSize: 256, blockBytes: 176, groupSize: 32,
  codeBits: 5, codePlanes: [{ bits: 4, offset: 48, run: 32, codeShift: 0 }, { bits: 1, offset: 16, run: 32, codeShift: 4 }],
  code: { kind: 'offset', zeroPoint: 0 },
  scale: { levels: 2, format: 'f16', offset: 0, subOffset: 4, subPacking: 'k4' },
  minimum: { value: { levels: 2, format: 'f16', offset: 2, subOffset: 4, subPacking: 'k4' }, sign: -1 },
} as const;

export const Q5_K = blockFormat({ ...LAYOUT, encode: encodeAffineGroups(LAYOUT) });
