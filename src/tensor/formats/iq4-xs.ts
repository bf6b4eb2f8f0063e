import { IQ4_VALUES } from './iq4-nl.ts';
import { encodeSymmetricGroups } from './encode-symmetric-groups.ts';
import { blockFormat } from './weight-format.ts';

/** Super-blocks of 8 groups of 32: f16 scale, 6 bytes of 6-bit scales, 128 bytes of nibbles, 16 bytes a group. */
const LAYOUT = {
  name: 'iq4_xs', ggmlId: 23, blockSize: 256, blockBytes: 136, groupSize: 32,
  codeBits: 4, codePlanes: [{ bits: 4, offset: 8, run: 16, codeShift: 0 }],
  code: { kind: 'integers', values: IQ4_VALUES },
  scale: { levels: 2, format: 'f16', offset: 0, subOffset: 2, subPacking: 'xs' },
  minimum: undefined,
} as const;

export const IQ4_XS = blockFormat({ ...LAYOUT, encode: encodeSymmetricGroups(LAYOUT) });
