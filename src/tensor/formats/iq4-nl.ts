import { encodeSymmetricBlocks } from './encode-symmetric-groups.ts';
import { blockFormat, f16At } from './weight-format.ts';

/** ggml's `kvalues_iq4nl`: sixteen levels that lie closer together near zero. */
export const IQ4_VALUES = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;

const LAYOUT = {
  name: 'iq4_nl', ggmlId: 20, blockSize: 32, blockBytes: 18, groupSize: 32,
  codeBits: 4, codePlanes: [{ bits: 4, offset: 2, run: 16, codeShift: 0 }],
  code: { kind: 'integers', values: IQ4_VALUES },
  scale: f16At(0), minimum: undefined,
} as const;

export const IQ4_NL = blockFormat({ ...LAYOUT, encode: encodeSymmetricBlocks(LAYOUT) });
