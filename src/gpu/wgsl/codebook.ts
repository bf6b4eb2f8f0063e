/**
 * WGSL that looks codes of 4 bits up in a codebook of integers. Kernels that read whole groups have a table in workgroup memory, with an
 * entry for each byte of two codes; others choose among constants.
 */
import type { LinearPartShape } from '../linear-shape.ts';
import { packedFormatOf } from '../packed-layout.ts';
import type { PackedBlocks } from '../packed-layout.ts';
import { hexWord } from './expressions.ts';

/** Bytes of two codes. */
const TABLE_ENTRIES = 256;

function valuesOf({ layout: { code } }: PackedBlocks): readonly number[] {
  return code.kind === 'integers' ? code.values : [];
}

/** `fn {name}(codes: vec4<u32>) -> vec4<i32>`: entries of the codebook. */
export function entriesFunction(name: string, format: PackedBlocks): string {
  const values = valuesOf(format);
  const words = [0, 1, 2, 3].map((word) => {
    const bits = [0, 1, 2, 3].reduce((sum, byte) => sum + (values[4 * word + byte]! & 255) * 256 ** byte, 0);
    return `vec4<u32>(${hexWord(bits)})`;
  });
  return `fn ${name}(codes: vec4<u32>) -> vec4<i32> {
  let isOdd = (codes & vec4<u32>(4u)) != vec4<u32>();
  let words = select(select(${words[0]}, ${words[1]}, isOdd), select(${words[2]}, ${words[3]}, isOdd), codes >= vec4<u32>(8u));
  return bitcast<vec4<i32>>(words << (vec4<u32>(24u) - ((codes & vec4<u32>(3u)) << vec4<u32>(3u)))) >> vec4<u32>(24u);
}`;
}

/** Parts whose codes are looked up, by the first part that has the same codebook. */
function booksOf(parts: readonly LinearPartShape[]): ReadonlyMap<number, PackedBlocks> {
  const books = new Map<number, PackedBlocks>();
  parts.forEach((_, n) => {
    const format = packedFormatOf(parts[n]!.type);
    if (format.kind === 'blocks' && format.meaning === 'integers' && bookOf(parts, n) === n) books.set(n, format);
  });
  return books;
}

/** The number of the table that part `n` reads. */
export function bookOf(parts: readonly LinearPartShape[], n: number): number {
  const bookText = (part: LinearPartShape) => {
    const format = packedFormatOf(part.type);
    return format.kind === 'blocks' && format.meaning === 'integers' ? String(valuesOf(format)) : undefined;
  };
  return parts.findIndex((part) => bookText(part) === bookText(parts[n]!));
}

/**
 * Tables of the parts' codebooks, `fn expanded{book}(word) -> vec2<u32>`: the entries of the low halves of a word's bytes, and of their
 * high halves, int8 in the same bytes; and `fn fillBooks(lane)`, which every invocation calls first. '' where no part has a codebook.
 */
export function bookTexts(parts: readonly LinearPartShape[], workgroupSize: number): string {
  const books = [...booksOf(parts)];
  if (books.length === 0) return '';
  const tables = books.map(([n, format]) => `var<workgroup> book${n}: array<u32, ${TABLE_ENTRIES}>;
${entriesFunction(`bookEntries${n}`, format)}
fn expanded${n}(word: u32) -> vec2<u32> {
  let first = book${n}[word & 255u] | (book${n}[(word >> 8u) & 255u] << 8u);
  let second = book${n}[(word >> 16u) & 255u] | (book${n}[word >> 24u] << 8u);
  return vec2<u32>((first & 0xffffu) | (second << 16u), (first >> 16u) | (second & 0xffff0000u));
}`);
  const fill = books.map(([n]) => {
    const entries = `let pair${n} = bookEntries${n}(vec4<u32>(code & 15u, code >> 4u, 0u, 0u)) & vec4<i32>(255);`;
    return `    ${entries}\n    book${n}[code] = u32(pair${n}.x) | (u32(pair${n}.y) << 16u);`;
  });
  return `${tables.join('\n')}
fn fillBooks(lane: u32) {
  for (var turn = 0u; turn < ${Math.ceil(TABLE_ENTRIES / workgroupSize)}u; turn++) {
    let code = (turn * ${workgroupSize}u + lane) & ${TABLE_ENTRIES - 1}u;
${fill.join('\n')}
  }
  workgroupBarrier();
}`;
}

/** The call, for the beginning of `main`. */
export function fillBooksCall(parts: readonly LinearPartShape[], lane: string): string {
  return booksOf(parts).size === 0 ? '' : `  fillBooks(${lane});\n`;
}
