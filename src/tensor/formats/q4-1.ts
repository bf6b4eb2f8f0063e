import { affineEncoder } from './encode-blocks.ts';
import { blockFormat, f16At } from './weight-format.ts';

const LAYOUT = {
  name: 'q4_1', ggmlId: 3, blockSize: 32, blockBytes: 20, groupSize: 32,
  codeBits: 4, codePlanes: [{ bits: 4, offset: 4, run: 16, codeShift: 0 }],
  code: { kind: 'offset', zeroPoint: 0 },
  scale: f16At(0), minimum: { value: f16At(2), sign: 1 },
} as const;

export const Q4_1 = blockFormat({ ...LAYOUT, encode: affineEncoder(LAYOUT) });
