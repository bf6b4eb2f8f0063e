/**
 * A short convolution between two gates: y = after * convolution(before * inner), the three being ranges of columns of one value (LFM2).
 * An invocation makes a few channels of one row, or a whole block of them where the result is rounded; those of a sequence's last row leave
 * the last products in the slot, having read all that they need of the old one.
 */
import type { ConvolutionGates } from '../../../graph/patterns.ts';
import { InputError } from '../../../tensor/errors.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, MAIN_ARGUMENTS, rowWorkgroups } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { q8Bindings } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { range, unrolled } from '../../wgsl/expressions.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';

/**
 * Bindings `x` f32 [rows, of], `weight` f32 [channels, width], `bias` f32 [channels], `state` f32 [slot, width - 1, channels],
 * `rowSequence` [rows], `slots` [sequences] of (first row, rows, slot read, slot written). Writes `y` f32 [rows, channels], or, as `q8`,
 * `yCodes` and `yStats` (channels a multiple of 32).
 */
export interface GatedConvolutionVariant {
  readonly channels: number;
  readonly width: number;
  readonly bias: boolean;
  readonly gates: ConvolutionGates;
  /** Columns of `x`. */
  readonly of: number;
  readonly output: 'f32' | 'q8';
  readonly invocations: number;
}

/** Channels that are read at a time, and the WGSL type of so many. */
function lanesOf({ channels, of, gates }: GatedConvolutionVariant): { readonly values: 1 | 4; readonly type: 'f32' | 'vec4<f32>' } {
  const isAligned = [channels, of, gates.before, gates.inner, gates.after].every((count) => count % 4 === 0);
  return isAligned ? { values: 4, type: 'vec4<f32>' } : { values: 1, type: 'f32' };
}

/** Columns, of as many channels as are read at a time, that an invocation makes: one, or those of a block. */
function columnsOf({ output }: GatedConvolutionVariant): number {
  return output === 'q8' ? Q8_BLOCK / 4 : 1;
}

/** Invocations that a row takes, and the workgroups of those. */
function piecesOf(variant: GatedConvolutionVariant) {
  const pieces = variant.channels / lanesOf(variant).values / columnsOf(variant);
  return { pieces, blocks: Math.ceil(pieces / variant.invocations) };
}

/** What a lane makes of column `i` of its own: `y{i}`, and the convolution's inputs `x{i}_0` and so on, oldest first. */
function columnText(variant: GatedConvolutionVariant, i: number): string {
  const { width, bias, gates, of } = variant;
  const { values } = lanesOf(variant);
  // The weights of `values` channels lie one behind the other, as many values each.
  const tap = (j: number) => {
    if (values === 1) return `w${i}_${j}`;
    return `vec4<f32>(${range(4).map((c) => `w${i}_${(c * width + j) >> 2}.${'xyzw'[(c * width + j) & 3]}`).join(', ')})`;
  };
  const products = range(width).map((j) => `${tap(j)} * x${i}_${j}`);
  const sum = [...(bias ? [`bias[at${i}]`] : []), ...products].join(' + ');
  return `  let at${i} = piece * ${columnsOf(variant)}u + ${i}u;
${unrolled(width, (j) => `  let x${i}_${j} = inputAt(place, t - ${width - 1 - j}, at${i});`)}
${unrolled(width, (j) => `  let w${i}_${j} = weight[at${i} * ${width}u + ${j}u];`)}
  let y${i} = x[row * ${of / values}u + at${i} + ${gates.after / values}u] * (${sum});`;
}

/** What the convolution reads at time t of a sequence, which is negative before its rows; `at` counts columns. */
function inputFunction(variant: GatedConvolutionVariant): string {
  const { channels, width, gates, of } = variant;
  const { values, type } = lanesOf(variant);
  return `fn inputAt(place: vec4<u32>, t: i32, at: u32) -> ${type} {
  if (t < 0) { return state[(place.z * ${width - 1}u + u32(${width - 1} + t)) * ${channels / values}u + at]; }
  let first = (place.x + u32(t)) * ${of / values}u + at;
  return x[first + ${gates.before / values}u] * x[first + ${gates.inner / values}u];
}
`;
}

/** All reads come before all writes, so that they are under way together: what is written may be what another reads. */
function mainFunction(variant: GatedConvolutionVariant): string {
  const { channels, width, output, invocations } = variant;
  const { pieces, blocks } = piecesOf(variant);
  const slotRow = channels / lanesOf(variant).values;
  const columns = range(columnsOf(variant));
  const keep = (i: number, s: number) => `    state[(place.w * ${width - 1}u + ${s}u) * ${slotRow}u + at${i}] = x${i}_${s + 1};`;
  return `@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
  let row = item / ${blocks}u;
  let piece = (item % ${blocks}u) * ${invocations}u + lane;
  if (row >= arrayLength(&rowSequence) || piece >= ${pieces}u) { return; }
  let place = slots[rowSequence[row]];
  // Rows past those of the step belong to no sequence.
  if (row < place.x || row >= place.x + place.y) { return; }
  let t = i32(row - place.x);
${columns.map((i) => columnText(variant, i)).join('\n')}
  if (row + 1u == place.x + place.y) {
${columns.flatMap((i) => range(width - 1).map((s) => keep(i, s))).join('\n')}
  }
  ${output === 'q8' ? 'yPutBlock(row, piece, mat4x4<f32>(y0, y1, y2, y3));' : `y[row * ${slotRow}u + piece] = y0;`}
}
`;
}

export function gatedConvolutionKernel(variant: GatedConvolutionVariant): Kernel {
  const { channels, width, bias, output, invocations } = variant;
  if (output === 'q8' && (channels % 32 !== 0 || lanesOf(variant).values !== 4))
    throw new InputError(`a convolution that writes int8 takes channels in multiples of 32, and parts of 4; got ${channels}`);
  const floats = `array<${lanesOf(variant).type}>`;
  const read = (name: string, type = floats): Binding => ({ name, access: 'read', type });
  const write = (name: string): Binding => ({ name, access: 'write', type: floats });
  const bindings: readonly Binding[] = [
    read('x'), read('weight'), ...(bias ? [read('bias')] : []), write('state'),
    read('rowSequence', 'array<u32>'), read('slots', 'array<vec4<u32>>'), ...(output === 'q8' ? q8Bindings('y', 'write') : [write('y')]),
  ];
  const rounding = output === 'q8' ? `${q8EpilogueFunctions({ name: 'y', width: channels, norm: undefined })}\n` : '';
  return {
    key: kernelKey('gated-convolution', variant),
    label: `gated-convolution [${channels}, ${width}] ${output}`,
    wgsl: `${kernelHeader(bindings, {})}\n${inputFunction(variant)}${rounding}${mainFunction(variant)}`,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function gatedConvolutionWorkgroups(variant: GatedConvolutionVariant, rows: number): Workgroups {
  return rowWorkgroups(Math.max(1, rows), piecesOf(variant).blocks);
}
