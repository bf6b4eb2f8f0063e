/**
 * WGSL of what a block reads: x, the sum of some vectors, before the division of its RMS norm.
 * - `fn makeX(row: u32, lane: u32) -> f32`, which all invocations call, leaves x in `sums`, array<vec4<f32>>, and x times the gain where
 *   the first product reads it: `x`, array<vec4<f32>>, or, rounded, `xCodes` and `xStats`. It returns 1 / rms, which results of the first
 *   product are to be multiplied by.
 */
import { Q8_BLOCK } from '../../q8-layout.ts';
import { inverseRoot, range } from '../../wgsl/expressions.ts';
import { q8BlockFunctions } from '../../wgsl/q8-epilogue.ts';
import { laneLoop, rowSumFunction } from '../../wgsl/row-sum.ts';
import { geometryOf } from './block-variant.ts';
import type { BlockVariant } from './block-variant.ts';

/** Memory and functions of rounded values of a workgroup, under a name: `{name}Codes`, `{name}Stats` and `{name}PutCodes`. */
export function roundedValues(name: string, width: number): string {
  const blocks = width / Q8_BLOCK;
  return `var<workgroup> ${name}Codes: array<vec4<u32>, ${blocks}>;
var<workgroup> ${name}Stats: array<f32, ${2 * blocks}>;
${q8BlockFunctions({ name, width, norm: undefined, inWorkgroup: true })}`;
}

/** Statements: rounds `width` values, a lane a block; `quad` gives an expression of one of them. */
export function roundingLoop(name: string, { width, invocations, quad }: {
  readonly width: number; readonly invocations: number; readonly quad: (at: string) => string;
}): string {
  const quads = range(Q8_BLOCK / 4).map((i) => quad(`4u * k + ${i}u`)).join(', ');
  return laneLoop(width / Q8_BLOCK, invocations, `    ${name}PutCodes(0u, k, mat4x4<f32>(${quads}));`);
}

export function inputText(variant: BlockVariant): string {
  const { width, activations, invocations } = variant;
  const quads = width / 4;
  const read = activations === 'int8' ? roundedValues('x', width) : `var<workgroup> x: array<vec4<f32>, ${quads}>;\n`;
  return `var<workgroup> sums: array<vec4<f32>, ${quads}>;
${read}${rowSumFunction(invocations)}${makeFunction(variant)}`;
}

function makeFunction(variant: BlockVariant): string {
  const { width, parts, norm, activations, invocations } = variant;
  const { slices } = geometryOf(variant);
  const quads = width / 4;
  // [row][vector][quad]; a slice takes every slices-th vector.
  const meet = slices === 1 ? '' : `${laneLoop(slices * quads, invocations, `    let slice = k / ${quads}u;
    let quad = k % ${quads}u;
    var sum = vec4<f32>();
    for (var n = slice; n < ${parts}u; n += ${slices}u) { sum += parts[(row * ${parts}u + n) * ${quads}u + quad]; }
    pieces[k] = sum;`)}
  workgroupBarrier();
`;
  const value = slices === 1
    ? `var value = parts[row * ${parts * quads}u + k];${parts === 1 ? '' : `
    for (var n = 1u; n < ${parts}u; n++) { value += parts[(row * ${parts}u + n) * ${quads}u + k]; }`}`
    : `let value = ${range(slices).map((n) => `pieces[k + ${n * quads}u]`).join(' + ')};`;
  const rounding = activations === 'int8'
    ? `${roundingLoop('x', { width, invocations, quad: (at) => `sums[${at}] * gains[${at}]` })}\n` : '';
  return `fn makeX(row: u32, lane: u32) -> f32 {
${meet}  var squares = vec4<f32>();
${laneLoop(quads, invocations, `    ${value}
    sums[k] = value;
    squares += value * value;${activations === 'int8' ? '' : '\n    x[k] = value * gains[k];'}`)}
  let mean = rowSum(lane, dot(squares, vec4<f32>(1.0))) * ${1 / width} + ${norm.eps};
${rounding}  workgroupBarrier();
  return ${inverseRoot('mean')};
}
`;
}
