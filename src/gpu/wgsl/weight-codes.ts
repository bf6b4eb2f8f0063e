/**
 * WGSL functions that read packed blocks (packed-layout.ts), 32 elements of a row at a time, for any record. For part `n` of a
 * matrix of `cols` columns, with the planes bound as `p{n}_{plane}`:
 * - `fn codes{n}(row: u32, group: u32) -> Codes`: elements 0..15 in `.a` and 16..31 in `.b`, four int8 a word, lowest byte first.
 *   Codes may stand for a multiple of their value, and for less than it by a constant; `scales{n}` and `minimum{n}` make up for it.
 * - `scales{n}` and, for formats with minimums, `minimum{n}` of weight-scales.ts.
 */
import { packedFormatOf, planeBits } from '../packed-layout.ts';
import type { PackedBlocks } from '../packed-layout.ts';
import type { LinearPartShape } from '../linear-shape.ts';
import { bookOf } from './codebook.ts';
import { everyByte, shiftedWord } from './expressions.ts';
import { scaleFunctions } from './weight-scales.ts';
import type { ScaleReading } from './weight-scales.ts';

/** To be put into a module once. */
export const CODES_STRUCT = 'struct Codes { a: vec4<u32>, b: vec4<u32> }';

export function blocksOf(part: LinearPartShape): PackedBlocks {
  const format = packedFormatOf(part.type);
  if (format.kind !== 'blocks') throw new Error(`weight codes: ${part.type} has no codes`);
  return format;
}

/** How codes are read as int8: two's complement of fewer bits from the top bit on; unsigned bytes less 128. */
function int8Reading({ codeBits, signed, meaning }: PackedBlocks): Pick<ScaleReading, 'factor' | 'excess'> {
  if (meaning !== 'number') return { factor: 1, excess: 0 };
  return { factor: signed ? 2 ** (8 - codeBits) : 1, excess: codeBits === 8 && !signed ? 128 : 0 };
}

const everyBytes = (bits: number) => `vec4<u32>(${everyByte(bits)})`;

/** A code of two planes, of 16 elements of a group, at bit `position` of its byte. */
function joined(format: PackedBlocks, half: 0 | 1, position: number): string {
  const { low, high } = planeBits(format);
  const quads = [0, 1, 2, 3];
  const spread = (shifts: readonly string[]) => `vec4<u32>(${shifts.join(', ')})`;
  const part = 'xy'[half];
  const mask = (bits: number, at: number) => everyBytes((2 ** bits - 1) << at);
  // Nibbles of the second half are above those of the first in their bytes; pairs of bits are in the order of their quads.
  const lows = low === 4
    ? `((${half === 0 ? 'w' : 'w >> vec4<u32>(4u)'})${position === 0 ? '' : ` << vec4<u32>(${position}u)`})`
    : spread(quads.map((t) => shiftedWord(`w.${part}`, position - 2 * t)));
  const lowPart = `(${lows} & ${mask(low, position)})`;
  if (high === 0) return lowPart;
  const top = position + low;
  const highs = high === 2
    ? quads.map((t) => shiftedWord(`h.${part}`, top - 2 * t))
    : quads.map((t) => shiftedWord('h', top - 4 * half - t));
  return `${lowPart} | ((${spread(highs)}) & ${mask(high, top)})`;
}

function codesFunction(format: PackedBlocks, n: number, groups: number, book: number): string {
  const { codeBits, signed, meaning } = format;
  const at = `let at = row * ${groups}u + group;`;
  const head = `fn codes${n}(row: u32, group: u32) -> Codes {\n  ${at}`;
  if (meaning === 'e4m3') throw new Error(`weight codes: ${format.type} has no integers`);
  if (codeBits === 8) {
    const bytes = (place: string) => `p${n}_codes[${place}]${signed ? '' : ` ^ ${everyBytes(0x80)}`}`;
    return `${head}\n  return Codes(${bytes('2u * at')}, ${bytes('2u * at + 1u')});\n}`;
  }
  const word = `let w = p${n}_codes[at];`;
  if (meaning === 'integers') {
    const words = [...'xyzw'].map((part) => `let e${part} = expanded${book}(w.${part});`);
    const half = (part: string) => `vec4<u32>(${[...'xyzw'].map((e) => `e${e}.${part}`).join(', ')})`;
    return `${head}\n  ${[word, ...words].join('\n  ')}\n  return Codes(${half('x')}, ${half('y')});\n}`;
  }
  if (codeBits === 4) {
    const [low, high] = signed
      ? ['(w << vec4<u32>(4u)) & vec4<u32>(0xf0f0f0f0u)', 'w & vec4<u32>(0xf0f0f0f0u)']
      : ['w & vec4<u32>(0x0f0f0f0fu)', '(w >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu)'];
    return `${head}\n  ${word}\n  return Codes(${low}, ${high});\n}`;
  }
  const position = signed ? 8 - codeBits : 0;
  const high = planeBits(format).high === 0 ? '' : `\n  let h = p${n}_high[at];`;
  return `${head}\n  ${word}${high}\n  return Codes(${joined(format, 0, position)}, ${joined(format, 1, position)});\n}`;
}

/** `scales{n}` and `minimum{n}` alone, for codes read as `factor` times their value. */
export function weightScaleFunctions(part: LinearPartShape, n: number, cols: number, factor = 1): string {
  const { scale, layout } = blocksOf(part);
  return scaleFunctions(scale, { n, groups: cols / 32, layout, factor, excess: 0 });
}

/**
 * The functions of part `n` of a product, for int8 arithmetic; its type must be a block format of integers. Parts with codebooks need the
 * functions of codebook.ts.
 */
export function weightCodeFunctions(parts: readonly LinearPartShape[], n: number, cols: number): string {
  const format = blocksOf(parts[n]!);
  const { scale, layout } = format;
  const groups = cols / 32;
  return [
    codesFunction(format, n, groups, bookOf(parts, n)),
    scaleFunctions(scale, { n, groups, layout, ...int8Reading(format) }),
  ].join('\n');
}
