import type { FloatFormat } from './weight-format.ts';

export const F32 = {
  kind: 'float', name: 'f32', ggmlId: 0, blockSize: 1, blockBytes: 4, bits: 32, format: 'f32',
  encode: {
    largest: Number.MAX_VALUE,
    rows: (values, out) => out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
  },
} as const satisfies FloatFormat;
