import { symmetricEncoder } from './encode-blocks.ts';
import { blockFormat, f16At } from './weight-format.ts';

const LAYOUT = {
  name: 'q5_0', ggmlId: 6, blockSize: 32, blockBytes: 22, groupSize: 32,
  codeBits: 5,
  codePlanes: [{ bits: 4, offset: 6, run: 16, codeShift: 0 }, { bits: 1, offset: 2, run: 'stream', codeShift: 4 }],
  code: { kind: 'offset', zeroPoint: 16 },
  scale: f16At(0), minimum: undefined,
} as const;

export const Q5_0 = blockFormat({ ...LAYOUT, encode: symmetricEncoder(LAYOUT) });
