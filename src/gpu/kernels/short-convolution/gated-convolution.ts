/**
 * A short convolution between two gates: y = after * convolution(before * inner), the three being ranges of columns of one value (LFM2).
 * An invocation makes a few channels of one row, or a whole block of them where the result is rounded; those of a sequence's last row leave
 * the last products in the slot, having read all that they need of the old one.
 */
import type { ConvolutionGates } from '../../../graph/patterns.ts';
import { InputError } from '../../../tensor/errors.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
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

/** Invocations that a row takes, and the workgroups of those. */
function piecesOf(variant: GatedConvolutionVariant) {
  const pieces = variant.channels / (variant.output === 'q8' ? Q8_BLOCK : lanesOf(variant).values);
  return { pieces, blocks: Math.ceil(pieces / variant.invocations) };
}

/** The weights of tap `j`. Those of `values` channels lie one behind the other: `w0` and so on, as many values each. */
function tapText({ width }: GatedConvolutionVariant, values: 1 | 4, j: number): string {
  if (values === 1) return `w${j}`;
  const components = range(4).map((c) => `w${(c * width + j) >> 2}.${'xyzw'[(c * width + j) & 3]}`);
  return `vec4<f32>(${components.join(', ')})`;
}

function valueFunctions(variant: GatedConvolutionVariant): string {
  const { channels, width, bias, gates, of } = variant;
  const { values, type } = lanesOf(variant);
  const [row, slotRow] = [of / values, channels / values];
  const part = (name: keyof ConvolutionGates) => gates[name] / values;
  const products = range(width).map((j) => `${tapText(variant, values, j)} * x${j}`);
  return `// What the convolution reads at time t of a sequence, which is negative before its rows; \`at\` counts ${type}.
fn productAt(place: vec4<u32>, t: i32, at: u32) -> ${type} {
  if (t < 0) { return state[(place.z * ${width - 1}u + u32(${width - 1} + t)) * ${slotRow}u + at]; }
  let first = (place.x + u32(t)) * ${row}u + at;
  return x[first + ${part('before')}u] * x[first + ${part('inner')}u];
}
fn gatedAt(row: u32, place: vec4<u32>, at: u32) -> ${type} {
  let t = i32(row - place.x);
${unrolled(width, (j) => `  let x${j} = productAt(place, t - ${width - 1 - j}, at);`)}
${unrolled(width, (j) => `  let w${j} = weight[at * ${width}u + ${j}u];`)}
  let y = x[row * ${row}u + at + ${part('after')}u] * (${[...(bias ? ['bias[at]'] : []), ...products].join(' + ')});
  if (row + 1u == place.x + place.y) {
${unrolled(width - 1, (s) => `    state[(place.w * ${width - 1}u + ${s}u) * ${slotRow}u + at] = x${s + 1};`)}
  }
  return y;
}
`;
}

function mainFunction(variant: GatedConvolutionVariant): string {
  const { channels, output, invocations } = variant;
  const { values } = lanesOf(variant);
  const { pieces, blocks } = piecesOf(variant);
  const columns = range(4).map((i) => `gatedAt(row, place, piece * 4u + ${i}u)`);
  const write = output === 'q8'
    ? `yPutBlock(row, piece, mat4x4<f32>(${columns.join(', ')}));`
    : `y[row * ${channels / values}u + piece] = gatedAt(row, place, piece);`;
  return `@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
  let row = item / ${blocks}u;
  let piece = (item % ${blocks}u) * ${invocations}u + lane;
  if (row >= arrayLength(&rowSequence) || piece >= ${pieces}u) { return; }
  let place = slots[rowSequence[row]];
  // Rows past those of the step belong to no sequence.
  if (row < place.x || row >= place.x + place.y) { return; }
  ${write}
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
    wgsl: `${kernelHeader(bindings, {})}\n${valueFunctions(variant)}${rounding}${mainFunction(variant)}`,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function gatedConvolutionWorkgroups(variant: GatedConvolutionVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, rows * piecesOf(variant).blocks));
}
