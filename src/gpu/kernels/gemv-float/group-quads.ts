/**
 * WGSL that loads the codes of a lane's piece of a row and splits them into quads of four elements, as a code form reads them. A piece
 * is a group of 32 elements or, where two lanes share a group, 16 of them: as many as lie together in half of the group's bytes.
 */
import { planeBits } from '../../packed-layout.ts';
import type { PackedBlocks } from '../../packed-layout.ts';
import { everyByte, shiftedWord } from '../../wgsl/expressions.ts';
import type { PartContext, PieceArrangement } from './part-context.ts';

export interface PieceQuad {
  /** Expression of its word, from `w`, the result of `words{n}`. */
  readonly word: string;
  readonly position: 0 | 4;
  /** Its number in x, from the piece's first quad on. */
  readonly at: number;
  /** Which 16 elements of the group it belongs to. */
  readonly half: 0 | 1;
}

/** Quads of a piece, by number. */
export function pieceQuads({ pieces, lanesPerGroup }: Pick<PartContext, 'pieces' | 'lanesPerGroup'>): readonly PieceQuad[] {
  const run = (vector: string, half: 0 | 1, position: 0 | 4 = 0) =>
    [...(lanesPerGroup === 2 && pieces !== 'bytes' ? 'xy' : 'xyzw')].map((part, i) => ({
      word: `${vector}.${part}`,
      position,
      at: 4 * half + i,
      half,
    }));
  if (pieces === 'nibbles') return [...run('w', 0), ...run('w', 1, 4)];
  return pieces === 'bytes' && lanesPerGroup === 2 ? run('w', 0) : [...run('w.a', 0), ...run('w.b', 1)];
}

/** WGSL of the first quad of a piece in a row of x; `part` is 0 or 1 where lanes share a group. */
export function firstQuad({ pieces, lanesPerGroup }: PartContext): string {
  return lanesPerGroup === 1 ? '8u * group' : `8u * group + ${pieces === 'bytes' ? 4 : 2}u * part`;
}

const vectorType = (lanesPerGroup: 1 | 2) => (lanesPerGroup === 2 ? 'vec2<u32>' : 'vec4<u32>');

/** For codes that take two vectors. */
export const wordsStruct = (lanesPerGroup: 1 | 2) => `struct Words { a: ${vectorType(lanesPerGroup)}, b: ${vectorType(lanesPerGroup)} }`;

export function wordsType({ pieces, lanesPerGroup }: PartContext): string {
  if (pieces === 'nibbles') return vectorType(lanesPerGroup);
  return pieces === 'bytes' && lanesPerGroup === 2 ? 'vec4<u32>' : 'Words';
}

/** WGSL type that plane `codes` is bound as: what a lane loads at once. */
export function codesElement(format: PackedBlocks, lanesPerGroup: 1 | 2): string {
  return { 2: 'vec2<u32>', 4: vectorType(lanesPerGroup), 8: 'vec4<u32>' }[planeBits(format).low];
}

export function piecesOf({ meaning, codeBits }: PackedBlocks): PieceArrangement {
  if (codeBits === 8) return 'bytes';
  return codeBits === 4 && meaning === 'number' ? 'nibbles' : 'joined';
}

/** Body of `words{n}`: loads of element `at`, the piece's number in the plane. */
function wordsBody(context: PartContext): string[] {
  const { n, form, field, pieces, lanesPerGroup, format } = context;
  const vector = vectorType(pieces === 'bytes' ? 1 : lanesPerGroup);
  const prepare = (words: string) => form.prepare(words, field, vector);
  const codes = `p${n}_codes`;
  if (pieces === 'nibbles') return [`return ${prepare(`${codes}[at]`)};`];
  if (pieces === 'bytes')
    return [
      lanesPerGroup === 2
        ? `return ${prepare(`${codes}[at]`)};`
        : `return Words(${prepare(`${codes}[2u * at]`)}, ${prepare(`${codes}[2u * at + 1u]`)});`,
    ];
  return (format as PackedBlocks).meaning === 'integers' ? lookedUp(context, prepare) : joined(context, prepare);
}

/** Codes by their codebook: entries of the low halves of bytes, then of the high halves. */
function lookedUp({ n, book, lanesPerGroup }: PartContext, prepare: (words: string) => string): string[] {
  const vector = vectorType(lanesPerGroup);
  const parts = [...(lanesPerGroup === 2 ? 'xy' : 'xyzw')];
  const half = (of: string) => prepare(`${vector}(${parts.map((part) => `e${part}.${of}`).join(', ')})`);
  return [
    `let c = p${n}_codes[at];`,
    ...parts.map((part) => `let e${part} = expanded${book}(c.${part});`),
    `return Words(${half('x')}, ${half('y')});`,
  ];
}

/** Codes of two planes, or of two bits, one a byte. */
function joined({ n, format, lanesPerGroup }: PartContext, prepare: (words: string) => string): string[] {
  const { low, high } = planeBits(format as PackedBlocks);
  const vector = vectorType(lanesPerGroup);
  const quads = lanesPerGroup === 2 ? [0, 1] : [0, 1, 2, 3];
  const mask = (bits: number, at: number) => `${vector}(${everyByte((2 ** bits - 1) << at)})`;
  const spread = (words: readonly string[]) => `${vector}(${words.join(', ')})`;
  const shifted = (word: string, left: number) => (left === 0 ? `${word} << 0u` : shiftedWord(word, left));
  // Planes of fewer bits are loaded for a whole group, of which the second lane has the upper bits of each of its halves.
  const load = (name: string, plane: string, bits: number) => {
    if (bits === 4 || lanesPerGroup === 1) return `let ${name} = p${n}_${plane}[at];`;
    return `let ${name} = p${n}_${plane}[at >> 1u] >> ${bits === 2 ? 'vec2<u32>(4u * (at & 1u))' : '(2u * (at & 1u))'};`;
  };
  const words = ([0, 1] as const).map((half) => {
    const part = 'xy'[half];
    const nibbles = half === 0 ? 'c' : `(c >> ${vector}(4u))`;
    const lows = low === 4 ? nibbles : spread(quads.map((t) => shifted(`c.${part}`, -2 * t)));
    const lowPart = `(${lows} & ${mask(low, 0)})`;
    if (high === 0) return prepare(lowPart);
    const highs = quads.map((t) => (high === 2 ? shifted(`h.${part}`, low - 2 * t) : shifted('h', low - 4 * half - t)));
    return prepare(`(${lowPart} | (${spread(highs)} & ${mask(high, low)}))`);
  });
  return [load('c', 'codes', low), ...(high === 0 ? [] : [load('h', 'high', high)]), `return Words(${words.join(', ')});`];
}

/** `fn words{n}(row, unit)`, and `fn low{n}(word)`, for nibbles also `fn high{n}(word)`: codes as vec4<f32>, in the form's sense. */
export function pieceFunctions(context: PartContext): string {
  const { n, shape, form, field, pieces, lanesPerGroup } = context;
  const quad = (name: string, position: 0 | 4) =>
    `fn ${name}${n}(word: u32) -> vec4<f32> { return ${form.quad('word', { ...field, position })}; }`;
  return [
    `fn words${n}(row: u32, unit: u32) -> ${wordsType(context)} {`,
    ...[`let at = row * ${(shape.cols / 32) * lanesPerGroup}u + unit;`, ...wordsBody(context)].map((line) => `  ${line}`),
    '}',
    quad('low', 0),
    ...(pieces === 'nibbles' ? [quad('high', 4)] : []),
  ].join('\n');
}

/** The quad's codes as vec4<f32>. */
export function quadCall(n: number, { word, position }: Pick<PieceQuad, 'word' | 'position'>): string {
  return `${position === 4 ? 'high' : 'low'}${n}(${word})`;
}
