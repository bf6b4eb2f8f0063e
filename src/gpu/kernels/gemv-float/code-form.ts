/**
 * Ways to read four packed codes of a word as f32. A GPU converts integers slowly next to a fused multiply-add, so two of the ways
 * build floats from bits: a half keeps ten bits of mantissa, and reading halves as f32 is free where an instruction takes
 * 16-bit operands (Apple).
 *
 * A form reads code c, as signed as its format says, as q so that `prescale * q = unit * (c + offset)`: x is multiplied by prescale once
 * for all rows, unit goes into the scale, and the offset is taken off through the sum of x.
 */
import { E4M3_UNIT } from '../../wgsl/e4m3.ts';
import { hexWord, shiftedWord } from '../../wgsl/expressions.ts';

/** How codes become floats; each works without the f16 feature. */
export type CodeFormName = 'integer' | 'half' | 'subnormal';

/** Where the codes lie: `bits` of each byte of a word from bit `position` on. */
export interface CodeField {
  readonly bits: 2 | 3 | 4 | 5 | 6 | 8;
  readonly position: 0 | 4;
  /** Two's complement in the buffer. */
  readonly signed: boolean;
}

export interface CodeForm {
  /** WGSL of what words, a value of type `vector`, go through once before their quads are read. */
  prepare(words: string, field: Pick<CodeField, 'bits' | 'signed'>, vector: string): string;
  /** WGSL expression of type vec4<f32>: the codes of the bytes of `word` (a name), lowest first. */
  quad(word: string, field: CodeField): string;
  prescale(field: CodeField): readonly [number, number, number, number];
  offset(field: Pick<CodeField, 'bits' | 'signed'>): number;
  readonly unit: number;
}

/** `w` shifted left, or right for a negative count. */
function shifted(word: string, left: number): string {
  return left === 0 ? word : `(${shiftedWord(word, left)})`;
}

/** Halves of a word hold codes of bytes 0 and 2, and of 1 and 3. */
const fromHalves = (even: string, odd: string) => `interleaved(unpack2x16float(${even}), unpack2x16float(${odd}))`;

/** Used by the quads of `half` and `subnormal`. */
export const INTERLEAVED_FUNCTION =
  'fn interleaved(even: vec2<f32>, odd: vec2<f32>) -> vec4<f32> { return vec4<f32>(even.x, odd.x, even.y, odd.y); }';

const zeroPoint = ({ bits, signed }: Pick<CodeField, 'bits' | 'signed'>) => (signed ? 2 ** (bits - 1) : 0);

/** Flips the top bit of all codes of a word (both of a byte where they have 4 bits), which makes two's complement unsigned. */
function unsignedWords(words: string, { bits, signed }: Pick<CodeField, 'bits' | 'signed'>, vector: string): string {
  if (!signed) return words;
  return `(${words} ^ ${vector}(${hexWord(bits === 4 ? 0x88888888 : (1 << (bits - 1)) * 0x01010101)}))`;
}

/** Cut out in place and converted from integers: a mask, a conversion and a multiply-add for each element. */
const INTEGER: CodeForm = {
  prepare: unsignedWords,
  quad: (word, { bits, position }) => {
    const mask = 2 ** bits - 1;
    return `vec4<f32>(vec4<u32>(${word}) & vec4<u32>(${[0, 8, 16, 24].map((byte) => hexWord(mask << (byte + position))).join(', ')}))`;
  },
  prescale: ({ position }) => [2 ** -position, 2 ** -(position + 8), 2 ** -(position + 16), 2 ** -(position + 24)],
  offset: zeroPoint,
  unit: 1,
};

/**
 * Codes of b bits become the top of the mantissa of 2^b, so that the half is 2^b + code; the exclusive or that puts the exponent in also
 * flips the sign bit of a two's complement code. A shift, mask and exclusive or for two elements. The offset costs
 * two to three bits of f32's precision.
 */
const HALF: CodeForm = {
  prepare: (words) => words,
  quad: (word, { bits, position, signed }) => {
    const mask = hexWord(((2 ** bits - 1) << (10 - bits)) * 0x00010001);
    const exponent = hexWord((((15 + bits) << 10) | (signed ? 1 << 9 : 0)) * 0x00010001);
    const pair = (byte: number) => `(${shifted(word, 10 - bits - position - byte)} & ${mask}) ^ ${exponent}`;
    return fromHalves(pair(0), pair(8));
  },
  prescale: () => [1, 1, 1, 1],
  offset: ({ bits, signed }) => 2 ** bits + zeroPoint({ bits, signed }),
  unit: 1,
};

/**
 * Codes stay where they are and are read as subnormal halves, code * 2^(position - 24): half a mask and a quarter of a shift for each
 * element, and the smallest offset. Only for devices that are known to keep subnormal halves: WGSL lets them become zeros.
 */
const SUBNORMAL: CodeForm = {
  prepare: unsignedWords,
  quad: (word, { bits, position }) => {
    const mask = hexWord(((2 ** bits - 1) << position) * 0x00010001);
    return fromHalves(`${word} & ${mask}`, `(${word} >> 8u) & ${mask}`);
  },
  prescale: ({ position }) => [2 ** -position, 2 ** -position, 2 ** -position, 2 ** -position],
  offset: zeroPoint,
  unit: 2 ** -24,
};

/** Codes that are floats themselves. The module has the function. */
export const FLOAT_BYTES: CodeForm = {
  prepare: (words) => words,
  quad: (word) => `e4m3(${word})`,
  prescale: () => [1, 1, 1, 1],
  offset: () => 0,
  unit: E4M3_UNIT,
};

export const CODE_FORMS: Readonly<Record<CodeFormName, CodeForm>> = { integer: INTEGER, half: HALF, subnormal: SUBNORMAL };
