/** WGSL of the repacking of block formats, from the record's code planes and scales. */
import { CapacityError } from '../../../tensor/errors.ts';
import type { CodePlane } from '../../../tensor/formats/weight-format.ts';
import { LINEAR_WORKGROUP, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { PackedBlocks } from '../../packed-layout.ts';
import { range } from '../../wgsl/expressions.ts';

/** An invocation makes 32 codes: eight words of four codes each, one code a byte. */
const QUADS = [0, 1, 2, 3, 4, 5, 6, 7] as const;

export function repackBlocks(format: PackedBlocks): string {
  checkRecord(format);
  const { blockSize, blockBytes, codePlanes } = format.layout;
  const groupsPerBlock = blockSize / 32;
  return `
@compute @workgroup_size(SIZE)
fn main(${MAIN_ARGUMENTS}) {
  let index = ${LINEAR_WORKGROUP} * SIZE + lane;
  let groups = piece.cols >> 5u;
  if (index >= piece.rows * groups) {
    return;
  }
  let row = index / groups;
  let to = matrixRow(row) * groups + (index - row * groups);
  let block = index >> ${log2(groupsPerBlock)}u;
  let start = block * ${blockBytes}u;
  let first = (index & ${groupsPerBlock - 1}u) << 5u;
${codePlanes.map(planeText).join('\n')}
${QUADS.map((quad) => `  let q${quad} = ${quadText(format, quad)};`).join('\n')}
${storeCodes(format)}
  if (first == 0u) {
${storeScales(format)}
    if (!finite) {
      report(((piece.firstRow * groups) >> ${log2(groupsPerBlock)}u) + block);
    }
  }
}`;
}

function checkRecord({ type, layout, codeBits, scale, scaleGroup }: PackedBlocks): void {
  const { blockSize, code, codePlanes, groupsPerBlock } = layout;
  const refuse = (what: string) => {
    throw new CapacityError(`The GPU has no repacking for ${type}: ${what}.`);
  };
  if (!Number.isInteger(Math.log2(blockSize)) || blockSize < 32) refuse(`blocks of ${blockSize} elements`);
  if (code.kind === 'offset' && code.zeroPoint !== 0 && code.zeroPoint !== 1 << (codeBits - 1)) refuse(`zero point ${code.zeroPoint}`);
  for (const run of codePlanes.map(runOf)) if (!Number.isInteger(Math.log2(run)) || run < 4) refuse(`codes in runs of ${run}`);
  if (layout.scale.format !== 'f16') refuse(`scales of type ${layout.scale.format}`);
  if (scale === 'direct' && (groupsPerBlock !== 1 || scaleGroup !== 32 || layout.minimum !== undefined))
    refuse('one-level scales other than one for 32 elements');
  if (scale !== 'direct' && (blockSize !== 256 || scaleGroup !== (scale === 'k4' ? 32 : 16)))
    refuse(`${scaleGroup} elements under a scale of a block of ${blockSize}`);
}

const log2 = (value: number) => Math.log2(value);

/** Elements over which a plane uses all bits of `run` bytes. */
function chunkOf(plane: CodePlane): number {
  return (runOf(plane) * 8) / plane.bits;
}

function runOf({ run }: CodePlane): number {
  if (run === 'stream') throw new CapacityError('The GPU has no repacking for codes in a stream.');
  return run;
}

/**
 * Place of element first + 4 * quad in a plane: the part that depends on `first` (a multiple of 32) is in the text's `at` and
 * `bit`, this is the constant rest, which adds to it because runs and chunks are powers of two.
 */
function quadPlace(plane: CodePlane, quad: number): { readonly word: number; readonly bit: number } {
  const { bits } = plane;
  const run = runOf(plane);
  const chunk = chunkOf(plane);
  const element = 4 * quad;
  return { word: (run * Math.floor(element / chunk) + (element % run)) / 4, bit: bits * Math.floor((element % chunk) / run) };
}

/** The words of a plane that hold the 32 codes' bits, shifted so that a quad begins at a word. */
function planeText(plane: CodePlane, n: number): string {
  const { bits, offset } = plane;
  const run = runOf(plane);
  const chunk = chunkOf(plane);
  const words = 1 + Math.max(...QUADS.map((quad) => quadPlace(plane, quad).word));
  const numbers = range(words);
  const text = [
    `let at${n} = start + ${offset}u + ((first >> ${log2(chunk)}u) << ${log2(run)}u) + (first & ${run - 1}u);`,
    `let bit${n} = ((first & ${chunk - 1}u) >> ${log2(run)}u) * ${bits}u;`,
    `let word${n} = at${n} >> 2u;`,
    `let shift${n} = (at${n} & 3u) << 3u;`,
    ...[...numbers, words].map((word) => `let raw${n}_${word} = raw[word${n} + ${word}u];`),
    ...numbers.map((word) => `let bytes${n}_${word} = joined(raw${n}_${word}, raw${n}_${word + 1}, shift${n});`),
  ];
  return text.map((line) => `  ${line}`).join('\n');
}

const everyByte = (bits: number) => `0x${(bits * 0x01010101).toString(16)}u`;

/** Four codes, one a byte, in the sign that the packed format keeps them in. */
function quadText({ layout, codeBits }: PackedBlocks, quad: number): string {
  const parts = layout.codePlanes.map((plane, n) => {
    const { word, bit } = quadPlace(plane, quad);
    return `(((bytes${n}_${word} >> (bit${n} + ${bit}u)) & ${everyByte((1 << plane.bits) - 1)}) << ${plane.codeShift}u)`;
  });
  const code = parts.join(' | ');
  return layout.code.kind === 'signed' || (layout.code.kind === 'offset' && layout.code.zeroPoint === 0) ? code : `(${code}) ^ ${everyByte(1 << (codeBits - 1))}`;
}

function storeCodes({ codeBits }: PackedBlocks): string {
  if (codeBits === 8) return '  codes[2u * to] = vec4<u32>(q0, q1, q2, q3);\n  codes[2u * to + 1u] = vec4<u32>(q4, q5, q6, q7);';
  const low = [0, 1, 2, 3].map((quad) => `(q${quad} & 0x0f0f0f0fu) | ((q${quad + 4} & 0x0f0f0f0fu) << 4u)`);
  const codes = `  codes[to] = vec4<u32>(${low.join(', ')});`;
  if (codeBits === 4) return codes;
  const high = (half: number) => [0, 1, 2, 3].map((t) => `(((q${4 * half + t} >> 4u) & 0x03030303u) << ${2 * t}u)`).join(' | ');
  return `${codes}\n  high[to] = vec2<u32>(${high(0)}, ${high(1)});`;
}

/** Stores what stands once a block and sets `finite`. */
function storeScales({ layout, scale }: PackedBlocks): string {
  const lines = [`let scale = wordAt(start + ${layout.scale.offset}u) & 0xffffu;`];
  const subWord = (n: number) => `wordAt(start + ${(layout.scale.levels === 2 ? layout.scale.subOffset : 0) + 4 * n}u)`;
  if (scale === 'k4') {
    lines.push(
      `let minimum = wordAt(start + ${layout.minimum?.value.offset ?? 0}u) & 0xffffu;`,
      `metas[to >> 3u] = vec4<u32>(scale | (minimum << 16u), ${[0, 1, 2].map(subWord).join(', ')});`,
      'let finite = (scale & 0x7c00u) != 0x7c00u && (minimum & 0x7c00u) != 0x7c00u;',
    );
  } else {
    if (scale === 'bytes') lines.push(`subs[to >> 3u] = vec4<u32>(${[0, 1, 2, 3].map(subWord).join(', ')});`);
    lines.push(
      `let half = to >> ${scale === 'bytes' ? 3 : 0}u;`,
      // Neighbouring halves may come from another piece or tensor: rows need not end with a word.
      'atomicOr(&scales[half >> 1u], scale << ((half & 1u) << 4u));',
      'let finite = (scale & 0x7c00u) != 0x7c00u;',
    );
  }
  return lines.map((line) => `    ${line}`).join('\n');
}
