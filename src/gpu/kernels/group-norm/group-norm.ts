/** Norm of a group of channels over all rows. Wu and He 2018. A workgroup takes a group. */
import { kernelHeader, kernelKey, linearWorkgroups, LINEAR_WORKGROUP, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { STEP_BINDING, STEP_STRUCT } from '../../linear-shape.ts';
import { inverseRoot } from '../../wgsl/expressions.ts';
import { rowSumFunction } from '../../wgsl/row-sum.ts';

/**
 * Bindings `x`: f32 [rows, groups * width]; `gain` and `bias` where they are weights: f32 [groups * width], or both as `style`: f32
 * [2 * groups * width]; `y` as `x`.
 */
export interface GroupNormVariant {
  readonly groups: number;
  readonly width: number;
  readonly eps: number;
  readonly affine: 'weights' | 'style' | undefined;
  /** A power of two from 16 on. */
  readonly invocations: number;
}

/** What follows the normalised value, of all channels. */
const AFFINE = {
  none: () => '',
  weights: () => ' * gain[channel] + bias[channel]',
  style: (channels: number) => ` * style[channel] + style[${channels}u + channel]`,
};

function mainText({ groups, width, eps, affine, invocations }: GroupNormVariant): string {
  const each = (body: string) => `  for (var k = lane; k < count; k += ${invocations}u) {
    let channel = group * ${width}u + k % ${width}u;
    let at = (k / ${width}u) * ${groups * width}u + channel;
${body}
  }`;
  // The mean is taken off before the squares, so that they keep their precision where it is large.
  return `@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let group = ${LINEAR_WORKGROUP};
  if (group >= ${groups}u) { return; }
  let count = step.rows * ${width}u;
  var sum = 0.0;
${each('    sum += x[at];')}
  let mean = rowSum(lane, sum) / f32(count);
  var squares = 0.0;
${each('    let v = x[at] - mean;\n    squares += v * v;')}
  let variance = rowSum(lane, squares) / f32(count) + ${eps};
  let factor = ${inverseRoot('variance')};
${each(`    y[at] = (x[at] - mean) * factor${AFFINE[affine ?? 'none'](groups * width)};`)}
}
`;
}

const AFFINE_BINDINGS = { none: [], weights: ['gain', 'bias'], style: ['style'] } as const;

export function groupNormKernel(variant: GroupNormVariant): Kernel {
  const { groups, width, affine, invocations } = variant;
  const read = (name: string): Binding => ({ name, access: 'read', type: 'array<f32>' });
  const bindings: readonly Binding[] = [
    read('x'), ...AFFINE_BINDINGS[affine ?? 'none'].map(read), { name: 'y', access: 'write', type: 'array<f32>' }, STEP_BINDING,
  ];
  return {
    key: kernelKey('group-norm', variant),
    label: `group-norm [${groups} x ${width}]`,
    wgsl: `${kernelHeader(bindings, {})}${STEP_STRUCT}\n${rowSumFunction(invocations)}${mainText(variant)}`,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function groupNormWorkgroups({ groups }: GroupNormVariant): Workgroups {
  return linearWorkgroups(groups);
}
