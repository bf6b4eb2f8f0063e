/**
 * WGSL for products whose input is the sum behind a block, x = by * (base + norm(branch)): every workgroup makes it for itself, in
 * workgroup memory, so that it takes no dispatch. Workgroup 0 also writes it where somebody else reads it.
 * - `fn makeX(lane: u32, keeps: bool)`, which all invocations call, leaves x where the product reads its input (linear-shape.ts):
 *   `x`: array<vec4<f32>>, or, rounded, `xCodes` and `xStats`. The statistics are single values here: one invocation writes a block's.
 */
import type { LinearShape, LinearSum } from '../linear-shape.ts';
import { Q8_BLOCK } from '../q8-layout.ts';
import { inverseRoot, range, unrolled } from './expressions.ts';
import { q8BlockFunctions } from './q8-epilogue.ts';
import { rowSumFunction } from './row-sum.ts';

export interface SumPrologue {
  readonly shape: Pick<LinearShape, 'cols' | 'input'> & { readonly sum: LinearSum };
  /** Invocations of the workgroup, a power of two from 16 on. */
  readonly lanes: number;
}

export function sumPrologue(prologue: SumPrologue): string {
  const { shape: { cols, input, sum }, lanes } = prologue;
  if (cols % 32 !== 0 || lanes < 16) throw new Error(`sum prologue: ${cols} values and ${lanes} lanes; at least 32 and 16, and multiples`);
  const blocks = cols / Q8_BLOCK;
  const isRounded = input !== 'f32';
  const memory = isRounded
    ? `var<workgroup> unrounded: array<vec4<f32>, ${cols / 4}>;
var<workgroup> xCodes: array<vec4<u32>, ${blocks}>;
var<workgroup> xStats: array<f32, ${3 * blocks}>;
${q8BlockFunctions({ name: 'x', width: cols, norm: sum.next, inWorkgroup: true })}`
    : `var<workgroup> x: array<vec4<f32>, ${cols / 4}>;`;
  return `${memory}
${rowSumFunction(lanes)}${makeFunction(prologue)}`;
}

/** `statements` for unit `u` of a lane, of `units` in all, where there is one. */
function guarded({ units, lanes }: { readonly units: number; readonly lanes: number }, u: number, statements: string): string {
  return (u + 1) * lanes <= units ? `  {\n${statements}\n  }` : `  if (lane < ${units - u * lanes}u) {\n${statements}\n  }`;
}

function makeFunction(prologue: SumPrologue): string {
  const { shape: { cols, input, sum }, lanes } = prologue;
  const quads = { units: cols / 4, lanes };
  const turns = Math.ceil(quads.units / lanes);
  const target = input === 'f32' ? 'x' : 'unrounded';
  const factor = sum.by === undefined ? '' : ` * ${sum.by === 'factor' ? 'factor[0]' : `f32(${sum.by})`}`;
  // All reads come before the sum of squares, so that they are under way together.
  const read = (u: number) => guarded(quads, u, `    v${u} = branch[at${u}];
    r${u} = base[at${u}];
    g${u} = branchGain[at${u}];
    squares += v${u} * v${u};`);
  const value = (u: number) => `r${u} + v${u} * g${u} * root`;
  const write = (u: number) => guarded(quads, u, `    let own = ${factor === '' ? value(u) : `(${value(u)})${factor}`};
    ${target}[at${u}] = own;${sum.isKept ? `\n    if (keeps) { sum[at${u}] = own; }` : ''}`);
  const rounding = input === 'f32' ? { gains: '', blocks: '' } : roundingText(prologue);
  return `fn makeX(lane: u32, keeps: bool) {
  var squares = vec4<f32>(0.0);
${unrolled(turns, (u) => `  let at${u} = lane + ${u * lanes}u;\n  var v${u}: vec4<f32>; var r${u}: vec4<f32>; var g${u}: vec4<f32>;`)}
${unrolled(turns, read)}
${rounding.gains}  let mean = rowSum(lane, dot(squares, vec4<f32>(1.0))) * ${1 / cols} + ${sum.eps};
  let root = ${inverseRoot('mean')};
${unrolled(turns, write)}
  workgroupBarrier();
${rounding.blocks}}
`;
}

/** A lane a block: the gains of the next norm, which are read early, and the rounding. */
function roundingText({ shape: { cols, sum }, lanes }: SumPrologue): { readonly gains: string; readonly blocks: string } {
  const blocks = { units: cols / Q8_BLOCK, lanes };
  const turns = Math.ceil(blocks.units / lanes);
  const quads = range(Q8_BLOCK / 4);
  const matrix = (of: (i: number) => string) => `mat4x4<f32>(${quads.map(of).join(', ')})`;
  const declare = (u: number) => `  let block${u} = lane + ${u * lanes}u;\n  ${quads.map((i) => `var h${u}_${i}: vec4<f32>;`).join(' ')}`;
  const read = (u: number) => guarded(blocks, u, quads.map((i) => `    h${u}_${i} = xGain[4u * block${u} + ${i}u];`).join('\n'));
  const put = (u: number) => {
    const values = `    let values = ${matrix((i) => `unrounded[4u * (lane + ${u * lanes}u) + ${i}u]`)};`;
    const gained = `    xPutShare(0u, block${u}, values);
    xPutCodes(0u, block${u}, ${matrix((i) => `values[${i}] * h${u}_${i}`)});`;
    return guarded(blocks, u, `${values}\n${sum.next ? gained : `    xPutCodes(0u, lane + ${u * lanes}u, values);`}`);
  };
  return {
    gains: sum.next ? `${unrolled(turns, declare)}\n${unrolled(turns, read)}\n` : '',
    blocks: `${unrolled(turns, put)}\n  workgroupBarrier();\n`,
  };
}
