import { E4M3_VALUES } from './scale-values.ts';
import { blockFormat } from './weight-format.ts';

/** e4m3 values of safetensors with an f32 scale for each 128 columns of a row, which its tensor of scales gives. The block is Ingot's. */
export const FP8 = blockFormat({
  name: 'fp8_g128', ggmlId: undefined, blockSize: 128, blockBytes: 132, groupSize: 128,
  codeBits: 8, codePlanes: [{ bits: 8, offset: 4, run: 128, codeShift: 0 }],
  code: { kind: 'floats', values: E4M3_VALUES },
  scale: { levels: 1, format: 'f32', offset: 0 }, minimum: undefined,
});
