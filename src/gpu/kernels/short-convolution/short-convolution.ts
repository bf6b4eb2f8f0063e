/**
 * Each channel over its last few values. An invocation makes one channel of one row; that of a sequence's last row leaves the last inputs
 * in the slot. It reads all that it needs of the old slot first, so that a single row may write where it has read.
 */
import type { ActivationName } from '../../../graph/ops/activation.ts';
import { activationFunction } from '../../wgsl/activation.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, rowWorkgroups } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';

/**
 * Bindings `x` f32 [rows, of], `weight` f32 [channels, width], `bias` f32 [channels], `state` f32 [slot, width - 1, channels],
 * `rowSequence` [rows], `slots` [sequences] of (first row, rows, slot read, slot written), `y` f32 [rows, channels].
 */
export interface ShortConvolutionVariant {
  readonly channels: number;
  readonly width: number;
  readonly bias: boolean;
  /** Columns of `x`, of which the first are read; undefined: `channels`. */
  readonly of?: number | undefined;
  /** Of the result; undefined: none. */
  readonly activation?: ActivationName | undefined;
  readonly invocations: number;
}

function blocksOf({ channels, invocations }: ShortConvolutionVariant): number {
  return Math.ceil(channels / invocations);
}

function mainFunction(variant: ShortConvolutionVariant): string {
  const { channels, width, bias, of = channels, activation, invocations } = variant;
  const taps = Array.from({ length: width }, (_, j) => j);
  const history = taps.slice(0, -1);
  const sum = [...(bias ? ['bias[channel]'] : []), ...taps.map((j) => `weight[channel * ${width}u + ${j}u] * x${j}`)].join(' + ');
  return `// The input of a channel at time t of its sequence, which is negative before its rows.
fn inputAt(place: vec4<u32>, t: i32, channel: u32) -> f32 {
  if (t >= 0) { return x[(place.x + u32(t)) * ${of}u + channel]; }
  return state[(place.z * ${width - 1}u + u32(${width - 1} + t)) * ${channels}u + channel];
}
@compute @workgroup_size(${invocations})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) lane: u32,
) {
  let item = ${LINEAR_WORKGROUP};
  let row = item / ${blocksOf(variant)}u;
  let channel = (item % ${blocksOf(variant)}u) * ${invocations}u + lane;
  if (row >= arrayLength(&rowSequence) || channel >= ${channels}u) { return; }
  let place = slots[rowSequence[row]];
  // Rows past those of the step belong to no sequence.
  if (row < place.x || row >= place.x + place.y) { return; }
  let t = i32(row - place.x);
${taps.map((j) => `  let x${j} = inputAt(place, t - ${width - 1 - j}, channel);`).join('\n')}
  y[row * ${channels}u + channel] = ${activation === undefined ? sum : `${activation}(${sum})`};
  if (row + 1u < place.x + place.y) { return; }
${history.map((s) => `  state[(place.w * ${width - 1}u + ${s}u) * ${channels}u + channel] = x${s + 1};`).join('\n')}
}
`;
}

export function shortConvolutionKernel(variant: ShortConvolutionVariant): Kernel {
  const { channels, width, bias, activation, invocations } = variant;
  const read = (name: string, type = 'array<f32>'): Binding => ({ name, access: 'read', type });
  const write = (name: string): Binding => ({ name, access: 'write', type: 'array<f32>' });
  const bindings: readonly Binding[] = [
    read('x'), read('weight'), ...(bias ? [read('bias')] : []), write('state'),
    read('rowSequence', 'array<u32>'), read('slots', 'array<vec4<u32>>'), write('y'),
  ];
  return {
    key: kernelKey('short-convolution', variant),
    label: `short-convolution [${channels}, ${width}]${activation === undefined ? '' : ` ${activation}`}`,
    wgsl: `${kernelHeader(bindings, {})}\n${activation === undefined ? '' : `${activationFunction(activation)}\n`}${mainFunction(variant)}`,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function shortConvolutionWorkgroups(variant: ShortConvolutionVariant, rows: number): Workgroups {
  return rowWorkgroups(Math.max(1, rows), blocksOf(variant));
}
