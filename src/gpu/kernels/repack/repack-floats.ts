/** WGSL of the repacking of float rows: 16 bytes an invocation, zeros past the last column. */
import { LINEAR_WORKGROUP, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { PackedFloats } from '../../packed-layout.ts';
import { range } from '../../wgsl/expressions.ts';

/** Bits of a float that are all ones in NaN and infinity. */
const EXPONENT = { f32: 0x7f800000, f16: 0x7c00, bf16: 0x7f80 } as const;

export function repackFloats({ type }: PackedFloats): string {
  const perWord = type === 'f32' ? 1 : 2;
  const perVector = 4 * perWord;
  return `
@compute @workgroup_size(SIZE)
fn main(${MAIN_ARGUMENTS}) {
  let index = ${LINEAR_WORKGROUP} * SIZE + lane;
  let vectors = (piece.cols + ${perVector - 1}u) / ${perVector}u;
  if (index >= piece.rows * vectors) {
    return;
  }
  let row = index / vectors;
  let vector = index - row * vectors;
  let first = vector * ${perVector}u;
  let start = (row * piece.cols + first) * ${4 / perWord}u;
  let own = piece.cols - first;
${[0, 1, 2, 3].map((n) => `  let w${n} = wordAt(start + ${4 * n}u) & ${wordMask(n, perWord)};`).join('\n')}
  values[matrixRow(row) * vectors + vector] = vec4<u32>(w0, w1, w2, w3);
  var bad = ${perVector}u;
${badLines(type, perWord).join('\n')}
  if (bad < ${perVector}u) {
    report((piece.firstRow + row) * piece.cols + first + bad);
  }
}`;
}

/** Keeps the elements that lie within the row. */
function wordMask(word: number, perWord: 1 | 2): string {
  if (perWord === 1) return `select(0u, 0xffffffffu, ${word}u < own)`;
  return `(select(0u, 0xffffu, ${2 * word}u < own) | select(0u, 0xffff0000u, ${2 * word + 1}u < own))`;
}

/** From the last element to the first, so that the first bad one stays. */
function badLines(type: PackedFloats['type'], perWord: 1 | 2): string[] {
  const lines = range(4 * perWord).map((element) => {
    const exponent = EXPONENT[type] * (perWord === 2 && element % 2 === 1 ? 0x10000 : 1);
    const bits = `0x${exponent.toString(16)}u`;
    return `  bad = select(bad, ${element}u, (w${Math.floor(element / perWord)} & ${bits}) == ${bits});`;
  });
  return lines.toReversed();
}
