import { codeWriter } from './encode-blocks.ts';
import { E2M1_DOUBLED, readScale } from './scale-values.ts';
import { blockFormat } from './weight-format.ts';

/** An exponent and 32 e2m1 codes (OCP Microscaling 1.0, in ggml's order); MLX's mxfp4 and gpt-oss's blocks are read into it. */
const LAYOUT = {
  name: 'mxfp4', ggmlId: 39, blockSize: 32, blockBytes: 17, groupSize: 32,
  codeBits: 4, codePlanes: [{ bits: 4, offset: 1, run: 16, codeShift: 0 }],
  code: { kind: 'integers', values: E2M1_DOUBLED },
  scale: { levels: 1, format: 'e8m0Half', offset: 0 }, minimum: undefined,
} as const;

const write = codeWriter(LAYOUT);

/** As gguf-py: the exponent that brings the largest value to 4 .. 8, of the values of the codebook the nearest, the first of two. */
function encodeMxfp4(values: Float32Array, out: Uint8Array): void {
  const { blockSize, blockBytes } = LAYOUT;
  const codes = new Uint8Array(blockSize);
  for (let i = 0, at = 0; i < values.length; i += blockSize, at += blockBytes) {
    let largest = 0;
    for (let j = 0; j < blockSize; j++) largest = Math.max(largest, Math.abs(values[i + j]!));
    out.fill(0, at, at + blockBytes);
    out[at] = largest > 0 ? Math.max(0, Math.floor(Math.log2(largest)) - 2 + 127) : 0;
    const scale = readScale('e8m0Half', out, at);
    for (let j = 0; j < blockSize; j++) codes[j] = nearestCode(values[i + j]!, scale);
    write(codes, out, at);
  }
}

function nearestCode(value: number, scale: number): number {
  let best = 0;
  let least = Infinity;
  for (let code = 0; code < 16; code++) {
    const miss = Math.abs(Math.fround(Math.fround(scale * E2M1_DOUBLED[code]!) - value));
    if (miss >= least) continue;
    least = miss;
    best = code;
  }
  return best;
}

export const MXFP4 = blockFormat({ ...LAYOUT, encode: { rows: encodeMxfp4, largest: 2 ** 127 } });
