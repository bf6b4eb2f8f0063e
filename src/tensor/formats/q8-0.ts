import { F16_MAX } from './f16.ts';
import { putScale } from './scale-values.ts';
import { blockFormat, f16At } from './weight-format.ts';

const BLOCK = 32;
const BLOCK_BYTES = 34;

/** Products and the inverse scale are rounded to f32 and ties go away from zero, as in ggml. */
function encodeQ8_0(values: Float32Array, out: Uint8Array): void {
  for (let i = 0, at = 0; i < values.length; i += BLOCK, at += BLOCK_BYTES) {
    let largest = 0;
    for (let j = 0; j < BLOCK; j++) largest = Math.max(largest, Math.abs(values[i + j]!));
    const scale = Math.fround(largest / 127);
    const inverse = scale ? Math.fround(1 / scale) : 0;
    putScale('f16', out, at, scale);
    for (let j = 0; j < BLOCK; j++) {
      const scaled = Math.fround(values[i + j]! * inverse);
      out[at + 2 + j] = scaled < 0 ? -Math.floor(0.5 - scaled) : Math.floor(scaled + 0.5);
    }
  }
}

export const Q8_0 = blockFormat({
  name: 'q8_0', ggmlId: 8, blockSize: BLOCK, blockBytes: BLOCK_BYTES, groupSize: 32,
  codeBits: 8, codePlanes: [{ bits: 8, offset: 2, run: 32, codeShift: 0 }],
  code: { kind: 'signed' },
  scale: f16At(0), minimum: undefined,
  encode: { rows: encodeQ8_0, largest: F16_MAX * 127 },
});
