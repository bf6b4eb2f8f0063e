/**
 * WGSL that turns codes of 4 bits into entries of a codebook of integers. Kernels that read whole groups make the entries of a word's eight
 * codes at once, by arithmetic on all of its nibbles: lanes that look into a table each at another place wait for each other. Others choose
 * among constants.
 */
import { CapacityError } from '../../tensor/errors.ts';
import { IQ4_VALUES } from '../../tensor/formats/iq4-nl.ts';
import { E2M1_DOUBLED } from '../../tensor/formats/scale-values.ts';
import type { LinearPartShape } from '../linear-shape.ts';
import { packedFormatOf } from '../packed-layout.ts';
import type { PackedBlocks } from '../packed-layout.ts';
import { hexWord } from './expressions.ts';

interface Expansion {
  readonly values: readonly number[];
  /** WGSL from a word `w` to what {@link bookTexts} says. */
  readonly lines: readonly string[];
}

/** Bytes of a word that are less than 128, negated where `signs` has a 1 in the lowest bit: zeros, too, without a carry. */
const negated = (bytes: string, signs: string, tops: string) => `(((${bytes} ^ (${signs} * 127u)) + ${signs}) ^ ${tops})`;

/**
 * The magnitude of code k (three bits) is k up to 3, then 4 + 2 (k mod 4), and 2 more at 7: in 4 bits, so that nibbles do for it. 23
 * operations for eight codes, counting those of three inputs as one.
 */
const E2M1: Expansion = {
  values: E2M1_DOUBLED,
  lines: [
    'let k = w & 0x77777777u;',
    'let large = (w >> 2u) & 0x11111111u;',
    'let m = k + (k & (large * 3u)) + (((k >> 1u) & k & large) << 1u);',
    'let s = (w >> 3u) & 0x01010101u;',
    'let t = (w >> 7u) & 0x01010101u;',
    'let low = m & 0x0f0f0f0fu;',
    'let high = (m >> 4u) & 0x0f0f0f0fu;',
    `return vec2<u32>(${negated('low', 's', '((w << 4u) & 0x80808080u)')}, ${negated('high', 't', '(w & 0x80808080u)')});`,
  ],
};

/** WGSL: bits of `a` where the mask has ones, of `b` elsewhere. */
const chosen = (mask: string, a: string, b: string) => `(${b} ^ ((${b} ^ ${a}) & ${mask}))`;

/**
 * The upper halves of the entries run with the code k, but for 9 .. 14, which are one less; the bits of the lower halves are functions of
 * the code's four bits b0 .. b3, found by search as two or three functions of three inputs. Each is reckoned at its own place in all
 * nibbles, from the word shifted so that the bit that is wanted lies there. 27 operations for eight codes, counted likewise.
 */
const IQ4: Expansion = {
  values: IQ4_VALUES,
  lines: [
    'let r1 = w >> 1u;',
    'let r2 = w >> 2u;',
    'let r3 = w >> 3u;',
    'let l1 = w << 1u;',
    'let l2 = w << 2u;',
    'let l3 = w << 3u;',
    // Bit 0: b0 .. b3 are w, r1, r2, r3; bit 1: l1, w, r1, r2; bit 2: l2, l1, w, r1; bit 3: l3, l2, l1, w.
    'let g0 = r3 ^ (r1 | (r2 & r3));',
    'let f0 = g0 ^ (r2 | ~(g0 | w));',
    'let g1 = l1 & (w ^ r1);',
    'let f1 = r1 ^ (g1 | (r1 & r2));',
    'let p2 = l1 ^ (r1 & (l2 ^ l1));',
    'let q2 = ~(l1 & (r1 | ~l2));',
    'let p3 = w ^ (l1 | (l3 ^ w));',
    'let q3 = ~(l3 & (l1 | w));',
    `let f2 = ${chosen('w', 'q2', 'p2')};`,
    `let f3 = ${chosen('l2', 'q3', 'p3')};`,
    `let f01 = ${chosen('0x22222222u', 'f1', 'f0')};`,
    `let f012 = ${chosen('0x44444444u', 'f2', 'f01')};`,
    `let lower = ${chosen('0x88888888u', 'f3', 'f012')};`,
    'let less = ((w ^ r1) | (r1 ^ r2)) & r3 & 0x11111111u;',
    'let upper = (w ^ 0x88888888u) - less;',
    'let raised = upper << 4u;',
    'let lowered = lower >> 4u;',
    `return vec2<u32>(${chosen('0xf0f0f0f0u', 'raised', 'lower')}, ${chosen('0xf0f0f0f0u', 'upper', 'lowered')});`,
  ],
};

const EXPANSIONS: readonly Expansion[] = [E2M1, IQ4];

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

/** Parts whose codes are of a codebook, by the first part that has the same codebook. */
function booksOf(parts: readonly LinearPartShape[]): ReadonlyMap<number, PackedBlocks> {
  const books = new Map<number, PackedBlocks>();
  parts.forEach((_, n) => {
    const format = packedFormatOf(parts[n]!.type);
    if (format.kind === 'blocks' && format.meaning === 'integers' && bookOf(parts, n) === n) books.set(n, format);
  });
  return books;
}

/** The number of the expansion that part `n` calls. */
export function bookOf(parts: readonly LinearPartShape[], n: number): number {
  const bookText = (part: LinearPartShape) => {
    const format = packedFormatOf(part.type);
    return format.kind === 'blocks' && format.meaning === 'integers' ? String(valuesOf(format)) : undefined;
  };
  return parts.findIndex((part) => bookText(part) === bookText(parts[n]!));
}

/**
 * `fn expanded{book}(word) -> vec2<u32>` for the parts' codebooks: the entries of the low halves of a word's bytes, and of their high
 * halves, int8 in the same bytes. '' where no part has a codebook.
 */
export function bookTexts(parts: readonly LinearPartShape[]): string {
  return [...booksOf(parts)].map(([n, format]) => expansionFunction(`expanded${n}`, format)).join('\n');
}

export function expansionFunction(name: string, format: PackedBlocks): string {
  const values = valuesOf(format);
  const expansion = EXPANSIONS.find((each) => each.values.every((value, i) => value === values[i]));
  if (expansion === undefined) throw new CapacityError(`The GPU has no packed form for codes of ${format.type}.`);
  return `fn ${name}(w: u32) -> vec2<u32> {\n  ${expansion.lines.join('\n  ')}\n}`;
}
