import { f32ToBf16 } from '../half.ts';
import { encodeHalves } from './encode-halves.ts';
import type { FloatFormat } from './weight-format.ts';

export const BF16 = {
  kind: 'float', name: 'bf16', ggmlId: 30, blockSize: 1, blockBytes: 2, bits: 16, format: 'bf16',
  encode: { largest: Number.MAX_VALUE, rows: encodeHalves(f32ToBf16) },
} as const satisfies FloatFormat;
