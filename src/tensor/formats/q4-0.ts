import { symmetricEncoder } from './encode-blocks.ts';
import { blockFormat, f16At } from './weight-format.ts';

const LAYOUT = {
  name: 'q4_0', ggmlId: 2, blockSize: 32, blockBytes: 18, groupSize: 32,
  codeBits: 4, codePlanes: [{ bits: 4, offset: 2, run: 16, codeShift: 0 }],
  code: { kind: 'offset', zeroPoint: 8 },
  scale: f16At(0), minimum: undefined,
} as const;

export const Q4_0 = blockFormat({ ...LAYOUT, encode: symmetricEncoder(LAYOUT) });
