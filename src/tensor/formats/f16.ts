import { f32ToF16 } from '../half.ts';
import { encodeHalves } from './encode-halves.ts';
import type { FloatFormat } from './weight-format.ts';

/** The largest finite f16. */
export const F16_MAX = 65504;

export const F16 = {
  kind: 'float', name: 'f16', ggmlId: 1, blockSize: 1, blockBytes: 2, bits: 16, format: 'f16',
  encode: { largest: F16_MAX, rows: encodeHalves(f32ToF16) },
} as const satisfies FloatFormat;
