/**
 * WGSL functions that read packed blocks (packed-layout.ts), 32 elements of a row at a time, for any record. For part `n` of a
 * matrix of `cols` columns, with the planes bound as `p{n}_{plane}`:
 * - `fn codes{n}(row: u32, group: u32) -> Codes`: elements 0..15 in `.a` and 16..31 in `.b`, four int8 a word, lowest byte first.
 *   Codes may stand for a multiple of their value, and for less than it by a constant; `scales{n}` and `minimum{n}` make up for it.
 * - `scales{n}` and, for formats with minimums, `minimum{n}` of weight-scales.ts.
 * The same in two steps, for kernels that read long before they use:
 * - `fn codeWords{n}(row: u32, group: u32) -> Codes`: words as they lie, of the lower bits in `.a` and of the higher ones in `.b`; 8 bits
 *   in both.
 * - `fn codesOf{n}(words: Codes) -> Codes`.
 */
import { packedFormatOf, planeBits } from '../packed-layout.ts';
import type { PackedBlocks } from '../packed-layout.ts';
import type { LinearPartShape } from '../linear-shape.ts';
import { bookOf } from './codebook.ts';
import { everyByte, shiftedWord } from './expressions.ts';
import { scaleFunctions, scaleStepFunctions, scaleWordsType } from './weight-scales.ts';
import type { ScaleReading, ScaleWords } from './weight-scales.ts';

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

/** Statements of `codeWords{n}` and of `codesOf{n}`, each with its return. */
function codeTexts(format: PackedBlocks, n: number, book: number): { readonly read: string; readonly codes: string } {
  const { codeBits, signed, meaning } = format;
  if (meaning === 'e4m3') throw new Error(`weight codes: ${format.type} has no integers`);
  if (codeBits === 8) {
    const flip = signed ? '' : ` ^ ${everyBytes(0x80)}`;
    const read = `return Codes(p${n}_codes[2u * at], p${n}_codes[2u * at + 1u]);`;
    return { read, codes: `return Codes(words.a${flip}, words.b${flip});` };
  }
  const { low, high } = planeBits(format);
  const lows = low === 4 ? `p${n}_codes[at]` : `vec4<u32>(p${n}_codes[at], 0u, 0u)`;
  const highs = high === 0 ? 'vec4<u32>()' : `vec4<u32>(p${n}_high[at], 0u, 0u${high === 2 ? '' : ', 0u'})`;
  const read = `return Codes(${lows}, ${highs});`;
  const word = `let w = words.a${low === 4 ? '' : '.xy'};`;
  if (meaning === 'integers') {
    const words = [...'xyzw'].map((part) => `let e${part} = expanded${book}(w.${part});`);
    const half = (part: string) => `vec4<u32>(${[...'xyzw'].map((e) => `e${e}.${part}`).join(', ')})`;
    return { read, codes: `${[word, ...words].join('\n  ')}\n  return Codes(${half('x')}, ${half('y')});` };
  }
  if (codeBits === 4) {
    const halves = signed
      ? ['(w << vec4<u32>(4u)) & vec4<u32>(0xf0f0f0f0u)', 'w & vec4<u32>(0xf0f0f0f0u)']
      : ['w & vec4<u32>(0x0f0f0f0fu)', '(w >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu)'];
    return { read, codes: `${word}\n  return Codes(${halves.join(', ')});` };
  }
  const position = signed ? 8 - codeBits : 0;
  const h = high === 0 ? '' : `\n  let h = words.b.${high === 2 ? 'xy' : 'x'};`;
  return { read, codes: `${word}${h}\n  return Codes(${joined(format, 0, position)}, ${joined(format, 1, position)});` };
}

/** `codeWords{n}` and `codesOf{n}`. */
function codeStepFunctions(format: PackedBlocks, n: number, groups: number, book: number): string {
  const { read, codes } = codeTexts(format, n, book);
  return `fn codeWords${n}(row: u32, group: u32) -> Codes {\n  let at = row * ${groups}u + group;\n  ${read}\n}
fn codesOf${n}(words: Codes) -> Codes {\n  ${codes}\n}`;
}

const readingOf = (part: LinearPartShape, n: number, cols: number, factor: number): ScaleReading =>
  ({ n, groups: cols / 32, layout: blocksOf(part).layout, factor, excess: 0 });

/** `scales{n}` and `minimum{n}` alone, for codes read as `factor` times their value. */
export function weightScaleFunctions(part: LinearPartShape, n: number, cols: number, factor = 1): string {
  return scaleFunctions(blocksOf(part).scale, readingOf(part, n, cols, factor));
}

/**
 * The functions of part `n` of a product, for int8 arithmetic; its type must be a block format of integers. Parts with codebooks need the
 * functions of codebook.ts.
 */
export function weightCodeFunctions(parts: readonly LinearPartShape[], n: number, cols: number): string {
  const format = blocksOf(parts[n]!);
  return [
    codeStepFunctions(format, n, cols / 32, bookOf(parts, n)),
    `fn codes${n}(row: u32, group: u32) -> Codes { return codesOf${n}(codeWords${n}(row, group)); }`,
    scaleFunctions(format.scale, { ...readingOf(parts[n]!, n, cols, 1), ...int8Reading(format) }),
  ].join('\n');
}

/** What reads words long before they are used, of part `n`: its functions, and the type of its scales' words. */
export interface WeightSteps {
  readonly functions: string;
  readonly scaleWords: ScaleWords;
}

/** `scaleWords{n}`, `scalesOf{n}` and `minimumOf{n}`; for codes read as int8 `codeWords{n}` and `codesOf{n}` too. */
export function weightSteps(parts: readonly LinearPartShape[], n: number, cols: number, as: 'int8' | 'asTheyLie'): WeightSteps {
  const part = parts[n]!;
  const format = blocksOf(part);
  const plain = readingOf(part, n, cols, 1);
  const reading = as === 'int8' ? { ...plain, ...int8Reading(format) } : plain;
  const codes = as === 'int8' ? `${codeStepFunctions(format, n, cols / 32, bookOf(parts, n))}\n` : '';
  return {
    functions: `${codes}${scaleStepFunctions(format.scale, reading)}`,
    scaleWords: scaleWordsType(format.scale, reading),
  };
}
