import { E2M1_DOUBLED } from './scale-values.ts';
import { blockFormat } from './weight-format.ts';

/** Four e4m3 scales without signs and 64 e2m1 codes; each 8 bytes hold the codes of 16 elements, the first 8 in the low halves. */
export const NVFP4 = blockFormat({
  name: 'nvfp4', ggmlId: 40, blockSize: 64, blockBytes: 36, groupSize: 16,
  codeBits: 4, codePlanes: [{ bits: 4, offset: 4, run: 8, codeShift: 0 }],
  code: { kind: 'integers', values: E2M1_DOUBLED },
  scale: { levels: 1, format: 'ue4m3Half', offset: 0 }, minimum: undefined,
});
