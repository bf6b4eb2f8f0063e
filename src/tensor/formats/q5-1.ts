import { affineEncoder } from './encode-blocks.ts';
import { blockFormat, f16At } from './weight-format.ts';

const LAYOUT = {
  name: 'q5_1', ggmlId: 7, blockSize: 32, blockBytes: 24, groupSize: 32,
  codeBits: 5,
  codePlanes: [{ bits: 4, offset: 8, run: 16, codeShift: 0 }, { bits: 1, offset: 4, run: 'stream', codeShift: 4 }],
  code: { kind: 'offset', zeroPoint: 0 },
  scale: f16At(0), minimum: { value: f16At(2), sign: 1 },
} as const;

export const Q5_1 = blockFormat({ ...LAYOUT, encode: affineEncoder(LAYOUT) });
