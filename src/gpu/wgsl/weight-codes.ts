/**
 * WGSL functions that read packed blocks (packed-layout.ts), 32 elements of a row at a time, for any record. For part `n` of a
 * matrix of `cols` columns, with the planes bound as `p{n}_{plane}`:
 * - `fn codes{n}(row: u32, group: u32) -> Codes`: elements 0..15 in `.a` and 16..31 in `.b`, four int8 a word, lowest byte first.
 *   Codes may stand for a multiple of their value; `scales{n}` makes up for it.
 * - `fn scales{n}(row: u32, group: u32) -> vec2<f32>`: the scales of `.a` and `.b`, so that value = scale * code - minimum.
 * - `fn minimum{n}(row: u32, group: u32) -> f32`, for formats with minimums only: what is subtracted from all 32.
 */
import { packedFormatOf } from '../packed-layout.ts';
import type { PackedBlocks } from '../packed-layout.ts';
import type { LinearPartShape } from '../linear-shape.ts';

/** To be put into a module once. */
export const CODES_STRUCT = 'struct Codes { a: vec4<u32>, b: vec4<u32> }';

export function blocksOf(part: LinearPartShape): PackedBlocks {
  const format = packedFormatOf(part.type);
  if (format.kind !== 'blocks') throw new Error(`weight codes: ${part.type} has no codes`);
  return format;
}

/** What codes are multiplied by so that they can be cut out of their words with masks alone. */
function codeFactor({ codeBits, signed }: PackedBlocks): number {
  if (codeBits === 8 || !signed) return 1;
  return codeBits === 4 ? 16 : 4;
}

function codesFunction(format: PackedBlocks, n: number, groups: number): string {
  const { codeBits, signed } = format;
  const at = `let at = row * ${groups}u + group;`;
  const head = `fn codes${n}(row: u32, group: u32) -> Codes {\n  ${at}`;
  if (codeBits === 8) return `${head}\n  return Codes(p${n}_codes[2u * at], p${n}_codes[2u * at + 1u]);\n}`;
  const word = `let w = p${n}_codes[at];`;
  if (codeBits === 4) {
    const [low, high] = signed
      ? ['(w << vec4<u32>(4u)) & vec4<u32>(0xf0f0f0f0u)', 'w & vec4<u32>(0xf0f0f0f0u)']
      : ['w & vec4<u32>(0x0f0f0f0fu)', '(w >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu)'];
    return `${head}\n  ${word}\n  return Codes(${low}, ${high});\n}`;
  }
  if (!signed) throw new Error('weight codes: 6-bit codes without a zero point have no reader yet');
  // Four times the code: its low bits from bit 2 of each byte, its high bits from bit 6.
  const part = (low: string, plane: string) => {
    const high = `(vec4<u32>(${plane} << 6u, ${plane} << 4u, ${plane} << 2u, ${plane}))`;
    return `(((${low}) << vec4<u32>(2u)) & vec4<u32>(0x3c3c3c3cu)) | (${high} & vec4<u32>(0xc0c0c0c0u))`;
  };
  return `${head}\n  ${word}\n  let h = p${n}_high[at];\n  return Codes(${part('w', 'h.x')}, ${part('w >> vec4<u32>(4u)', 'h.y')});\n}`;
}

/** One conversion behind a shift: cheaper than converting both halves and choosing. */
const pick = (plane: string, index: string) => `unpack2x16float(${plane}[(${index}) >> 1u] >> (((${index}) & 1u) << 4u)).x`;

function directScale(n: number, groups: number, factor: number): string {
  return `fn scales${n}(row: u32, group: u32) -> vec2<f32> {
  let at = row * ${groups}u + group;
  return vec2<f32>(${pick(`p${n}_scales`, 'at')} * ${1 / factor});
}`;
}

/** 6-bit scales and minimums of eight groups in twelve bytes: ggml's get_scale_min_k4. */
function k4Scale(n: number, groups: number, factor: number): string {
  const meta = `let m = p${n}_metas[row * ${groups / 8}u + (group >> 3u)];
  let j = group & 7u;
  let shift = (j & 3u) * 8u;`;
  const six = (own: string) => {
    const later = `((m.w >> (shift + ${own === 'm.y' ? 0 : 4}u)) & 15u) | (((${own} >> (shift + 6u)) & 3u) << 4u)`;
    return `select((${own} >> shift) & 63u, ${later}, j >= 4u)`;
  };
  return `fn scales${n}(row: u32, group: u32) -> vec2<f32> {
  ${meta}
  return vec2<f32>(unpack2x16float(m.x).x * f32(${six('m.y')}) * ${1 / factor});
}
fn minimum${n}(row: u32, group: u32) -> f32 {
  ${meta}
  return unpack2x16float(m.x).y * f32(${six('m.z')});
}`;
}

function bytesScale(n: number, groups: number, factor: number): string {
  return `fn scales${n}(row: u32, group: u32) -> vec2<f32> {
  let block = row * ${groups / 8}u + (group >> 3u);
  let pair = p${n}_subs[block][(group >> 1u) & 3u] >> ((group & 1u) * 16u);
  let subs = vec2<i32>(bitcast<i32>(pair << 24u) >> 24u, bitcast<i32>(pair << 16u) >> 24u);
  return vec2<f32>(subs) * (${pick(`p${n}_scales`, 'block')} * ${1 / factor});
}`;
}

const SCALE_FUNCTIONS = { direct: directScale, k4: k4Scale, bytes: bytesScale } as const;

/** `scales{n}` and `minimum{n}` alone, for codes read as `factor` times their value. */
export function weightScaleFunctions(part: LinearPartShape, n: number, cols: number, factor = 1): string {
  return SCALE_FUNCTIONS[blocksOf(part).scale](n, cols / 32, factor);
}

/** The functions of part `n`; its type must be a block format. */
export function weightCodeFunctions(part: LinearPartShape, n: number, cols: number): string {
  const format = blocksOf(part);
  return [codesFunction(format, n, cols / 32), weightScaleFunctions(part, n, cols, codeFactor(format))].join('\n');
}
