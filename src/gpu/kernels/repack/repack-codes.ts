/** WGSL that takes the codes of 32 elements out of a file's block and puts them into planes: eight words of four codes, one code a byte. */
import { CapacityError } from '../../../tensor/errors.ts';
import type { CodePlane } from '../../../tensor/formats/weight-format.ts';
import { planeBits } from '../../packed-layout.ts';
import type { PackedBlocks } from '../../packed-layout.ts';
import { everyByte, range } from '../../wgsl/expressions.ts';

const QUADS = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** @throws CapacityError for codes that lie in a way that the text cannot follow */
export function checkCodes({ type, layout, codeBits }: PackedBlocks): void {
  const { code, codePlanes } = layout;
  const refuse = (what: string) => {
    throw new CapacityError(`The GPU has no repacking for ${type}: ${what}.`);
  };
  if (code.kind === 'offset' && code.zeroPoint !== 0 && code.zeroPoint !== 1 << (codeBits - 1)) refuse(`zero point ${code.zeroPoint}`);
  for (const { run } of codePlanes)
    if (run !== 'stream' && (!Number.isInteger(Math.log2(run)) || run < 4)) refuse(`codes in runs of ${run}`);
}

/** Loads of the codes' words from the block at byte `start`; `first` is the first element's number in it. Then `q0` .. `q7`. */
export function readCodes(format: PackedBlocks): string {
  const { codePlanes } = format.layout;
  return [
    ...codePlanes.map((plane, n) => (isStream(plane) ? streamLoads(plane, n) : runLoads(plane, n))),
    ...QUADS.map((quad) => `  let q${quad} = ${quadText(format, quad)};`),
  ].join('\n');
}

interface RunPlane extends CodePlane {
  readonly run: number;
}

function isStream(plane: CodePlane): plane is CodePlane & { readonly run: 'stream' } {
  return plane.run === 'stream';
}

/** Elements over which a plane uses all bits of `run` bytes. */
function chunkOf({ run, bits }: RunPlane): number {
  return (run * 8) / bits;
}

/**
 * Place of element first + 4 * quad in a plane: the part that depends on `first` (a multiple of 32) is in the text's `at` and
 * `bit`, this is the constant rest, which adds to it because runs and chunks are powers of two.
 */
function quadPlace(plane: RunPlane, quad: number): { readonly word: number; readonly bit: number } {
  const { bits, run } = plane;
  const chunk = chunkOf(plane);
  const element = 4 * quad;
  return { word: (run * Math.floor(element / chunk) + (element % run)) / 4, bit: bits * Math.floor((element % chunk) / run) };
}

/** `bytes{n}_{word}`: the words from byte `at{n}` on. */
function wordLoads(n: number, words: number): string[] {
  const numbers = range(words);
  return [
    `let word${n} = at${n} >> 2u;`,
    `let shift${n} = (at${n} & 3u) << 3u;`,
    ...[...numbers, words].map((word) => `let raw${n}_${word} = raw[word${n} + ${word}u];`),
    ...numbers.map((word) => `let bytes${n}_${word} = joined(raw${n}_${word}, raw${n}_${word + 1}, shift${n});`),
  ];
}

const indented = (lines: readonly string[]) => lines.map((line) => `  ${line}`).join('\n');

/** The words of a plane in runs that hold the 32 codes' bits, so that a quad begins at a word. */
function runLoads(plane: CodePlane, n: number): string {
  const { bits, offset, run } = plane as RunPlane;
  const chunk = chunkOf(plane as RunPlane);
  const words = 1 + Math.max(...QUADS.map((quad) => quadPlace(plane as RunPlane, quad).word));
  const log2 = Math.log2;
  return indented([
    `let at${n} = start + ${offset}u + ((first >> ${log2(chunk)}u) << ${log2(run)}u) + (first & ${run - 1}u);`,
    `let bit${n} = ((first & ${chunk - 1}u) >> ${log2(run)}u) * ${bits}u;`,
    ...wordLoads(n, words),
  ]);
}

/** 32 codes of a stream are whole words. */
function streamLoads({ bits, offset }: CodePlane, n: number): string {
  return indented([`let at${n} = start + ${offset}u + (first >> 3u) * ${bits}u;`, ...wordLoads(n, bits)]);
}

/** Bits of four elements in a stream, one element a byte. */
function streamQuad({ bits }: CodePlane, n: number, quad: number): string {
  if (bits === 8) return `bytes${n}_${quad}`;
  const parts = range(4).map((element) => {
    const bit = bits * (4 * quad + element);
    const [word, shift] = [bit >> 5, bit & 31];
    const whole = `(bytes${n}_${word} >> ${shift}u)`;
    const value = shift + bits > 32 ? `(${whole} | (bytes${n}_${word + 1} << ${32 - shift}u))` : whole;
    return `((${value} & ${2 ** bits - 1}u) << ${8 * element}u)`;
  });
  return `(${parts.join(' | ')})`;
}

/** Four codes, one a byte, in the sign that the packed format keeps them in. */
function quadText({ layout, codeBits }: PackedBlocks, quad: number): string {
  const parts = layout.codePlanes.map((plane, n) => {
    if (isStream(plane)) return `(${streamQuad(plane, n, quad)} << ${plane.codeShift}u)`;
    const { word, bit } = quadPlace(plane as RunPlane, quad);
    return `(((bytes${n}_${word} >> (bit${n} + ${bit}u)) & ${everyByte((1 << plane.bits) - 1)}) << ${plane.codeShift}u)`;
  });
  const code = parts.join(' | ');
  const hasZeroPoint = layout.code.kind === 'offset' && layout.code.zeroPoint !== 0;
  return hasZeroPoint ? `(${code}) ^ ${everyByte(1 << (codeBits - 1))}` : code;
}

/** Stores of the codes of group `to`. */
export function storeCodes(format: PackedBlocks): string {
  const { low, high } = planeBits(format);
  if (low === 8) return '  codes[2u * to] = vec4<u32>(q0, q1, q2, q3);\n  codes[2u * to + 1u] = vec4<u32>(q4, q5, q6, q7);';
  const pairs = (half: number, from: string) =>
    [0, 1, 2, 3].map((t) => `(((q${4 * half + t}${from}) & 0x03030303u) << ${2 * t}u)`).join(' | ');
  const nibbles = [0, 1, 2, 3].map((quad) => `(q${quad} & 0x0f0f0f0fu) | ((q${quad + 4} & 0x0f0f0f0fu) << 4u)`);
  const codes = `  codes[to] = ${low === 4 ? `vec4<u32>(${nibbles.join(', ')})` : `vec2<u32>(${pairs(0, '')}, ${pairs(1, '')})`};`;
  if (high === 0) return codes;
  if (high === 2) return `${codes}\n  high[to] = vec2<u32>(${pairs(0, ` >> ${low}u`)}, ${pairs(1, ` >> ${low}u`)});`;
  return `${codes}\n  high[to] = ${QUADS.map((quad) => `(((q${quad} >> ${low}u) & 0x01010101u) << ${quad}u)`).join(' | ')};`;
}

/** `let areNumbers`: no code is a NaN; '' where none can be. */
export function codesCheck({ meaning }: PackedBlocks): string {
  if (meaning !== 'e4m3') return '';
  // A byte without its sign that differs from NaN's carries into its top bit.
  const isNumber = QUADS.map((quad) => `(((q${quad} & 0x7f7f7f7fu) ^ 0x7f7f7f7fu) + 0x7f7f7f7fu)`).join(' & ');
  return `  let areNumbers = ((${isNumber}) & 0x80808080u) == 0x80808080u;`;
}
