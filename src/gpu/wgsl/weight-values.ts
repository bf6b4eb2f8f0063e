/**
 * WGSL functions that read packed weights (packed-layout.ts) of any type as f32, four consecutive elements of a row at a time. For
 * part `n` of a matrix of `cols` columns, with the planes bound as `p{n}_{plane}`:
 * - `fn quad{n}(row: u32, quad: u32) -> vec4<f32>`: elements 4 quad .. 4 quad + 3; zeros past `cols`, up to the row's stride.
 * - for block formats also `scales{n}` and `minimum{n}` of weight-scales.ts.
 * Short rather than fast: kernels that read a matrix once per token decode whole groups in their own way.
 */
import { packedFormatOf, planeBits, rowStride } from '../packed-layout.ts';
import type { PackedBlocks } from '../packed-layout.ts';
import type { LinearPartShape } from '../linear-shape.ts';
import { entriesFunction } from './codebook.ts';
import { E4M3_UNIT, e4m3Function } from './e4m3.ts';
import { everyByte } from './expressions.ts';
import { weightScaleFunctions } from './weight-codes.ts';

/** WGSL expression of the four values that two words hold. */
export function halfQuad(type: 'f16' | 'bf16', first: string, second: string): string {
  if (type === 'f16') return `vec4<f32>(unpack2x16float(${first}), unpack2x16float(${second}))`;
  return `bitcast<vec4<f32>>(vec4<u32>(${first} << 16u, ${first} & 0xffff0000u, ${second} << 16u, ${second} & 0xffff0000u))`;
}

/** `let c`: the four codes of quad `j` of group `at`, as integers or floats. */
function quadCodes(format: PackedBlocks, n: number): string {
  const { codeBits, signed, meaning } = format;
  const byteWord = `p${n}_codes[2u * at + (j >> 2u)][j & 3u]`;
  if (meaning === 'e4m3') return `let c = e4m3${n}(${byteWord});`;
  if (codeBits === 8) return `let c = ${signed ? 'unpack4xI8' : 'unpack4xU8'}(${byteWord});`;
  const { low: lowBits, high: highBits } = planeBits(format);
  const low = lowBits === 4
    ? `let low = (p${n}_codes[at][j & 3u] >> (j & 4u)) & 0x0f0f0f0fu;`
    : `let low = (p${n}_codes[at][j >> 2u] >> (2u * (j & 3u))) & 0x03030303u;`;
  if (meaning === 'integers') return `${low}\n  let c = entries${n}(unpack4xU8(low));`;
  const joined = highBits === 0 ? 'low' : `(low | (high << ${lowBits}u))`;
  const value = signed
    ? `let c = vec4<i32>(unpack4xU8(${joined} ^ ${everyByte(2 ** (codeBits - 1))})) - ${2 ** (codeBits - 1)};`
    : `let c = unpack4xU8(${joined});`;
  if (highBits === 0) return `${low}\n  ${value}`;
  const high = highBits === 2 ? `(p${n}_high[at][j >> 2u] >> (2u * (j & 3u))) & 0x03030303u` : `(p${n}_high[at] >> j) & 0x01010101u`;
  return `${low}\n  let high = ${high};\n  ${value}`;
}

/** What codes are looked up or read by. */
function meaningFunction(format: PackedBlocks, n: number): string {
  if (format.meaning === 'e4m3') return `${e4m3Function(`e4m3${n}`)}\n`;
  return format.meaning === 'integers' ? `${entriesFunction(`entries${n}`, format)}\n` : '';
}

/** The functions of part `n`. */
export function weightValueFunctions(part: LinearPartShape, n: number, cols: number): string {
  const format = packedFormatOf(part.type);
  const head = `fn quad${n}(row: u32, quad: u32) -> vec4<f32> {`;
  if (format.kind === 'floats') {
    const quads = rowStride(format, cols) / 4;
    if (format.type === 'f32') return `${head}\n  return p${n}_values[row * ${quads}u + quad];\n}`;
    return `${head}
  let both = p${n}_values[row * ${quads / 2}u + (quad >> 1u)];
  let w = select(both.xy, both.zw, (quad & 1u) == 1u);
  return ${halfQuad(format.type, 'w.x', 'w.y')};
}`;
  }
  const minimum = format.hasMinimum ? ` - minimum${n}(row, group)${format.scaleGroup === 16 ? '[j >> 2u]' : ''}` : '';
  const unit = format.meaning === 'e4m3' ? E4M3_UNIT : 1;
  return `${weightScaleFunctions(part, n, cols, unit)}
${meaningFunction(format, n)}${head}
  let group = quad >> 3u;
  let j = quad & 7u;
  let at = row * ${cols / 32}u + group;
  ${quadCodes(format, n)}
  return vec4<f32>(c) * scales${n}(row, group)[j >> 2u]${minimum};
}`;
}
