/**
 * The recurrence of a long short-term memory (Hochreiter and Schmidhuber 1997). A workgroup takes a sequence and goes from row to row; an
 * invocation makes some values of h, whose four gates it adds up by itself.
 */
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS, rowWorkgroups } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { STEP_BINDING, STEP_STRUCT } from '../../linear-shape.ts';
import { activationFunction } from '../../wgsl/activation.ts';

/**
 * Bindings `gates` f32 [rows, 4 * hidden], `weight` f32 [4 * hidden, hidden], `y` f32 [rows, hidden]; where there is a state `state` f32
 * [slot, 2, hidden], `rowSequence` [rows], `slots` [sequences] of (first row, rows, slot read, slot written).
 */
export interface LstmVariant {
  readonly hidden: number;
  /** False: all rows are one sequence, from zeros on. */
  readonly stateful: boolean;
  /** From the last row to the first; not with a state. */
  readonly reverse: boolean;
  readonly invocations: number;
}

/** Which rows are the workgroup's, as `place`: (first row, rows, slot read, slot written). */
function placeText({ stateful }: LstmVariant): string {
  if (!stateful) return '  if (lane == 0u) { placeOfAll = vec4<u32>(0u, step.rows, 0u, 0u); }';
  // One workgroup a row is dispatched, of which those of first rows work. Rows past those of the step belong to no sequence.
  return `  if (lane == 0u) {
    let own = slots[rowSequence[item]];
    placeOfAll = select(vec4<u32>(0u), own, own.x == item);
  }`;
}

function mainText(variant: LstmVariant): string {
  const { hidden, stateful, reverse, invocations } = variant;
  const values = (body: string) => `  for (var i = lane; i < ${hidden}u; i += ${invocations}u) {\n${body}\n  }`;
  const stateAt = (slot: string, part: 0 | 1) => `state[(place.${slot} * 2u + ${part}u) * ${hidden}u + i]`;
  return `var<workgroup> placeOfAll: vec4<u32>;
var<workgroup> h: array<f32, ${hidden}>;
var<workgroup> next: array<f32, ${hidden}>;
var<workgroup> c: array<f32, ${hidden}>;
@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
${placeText(variant)}
  let place = workgroupUniformLoad(&placeOfAll);
${values(stateful ? `    h[i] = ${stateAt('z', 0)};\n    c[i] = ${stateAt('z', 1)};` : '    h[i] = 0.0;\n    c[i] = 0.0;')}
  workgroupBarrier();
  for (var t = 0u; t < place.y; t++) {
    let row = ${reverse ? 'place.x + place.y - 1u - t' : 'place.x + t'};
${values(`    var sums = vec4<f32>(gates[row * ${4 * hidden}u + i], gates[row * ${4 * hidden}u + ${hidden}u + i],
      gates[row * ${4 * hidden}u + ${2 * hidden}u + i], gates[row * ${4 * hidden}u + ${3 * hidden}u + i]);
    for (var k = 0u; k < ${hidden}u; k++) {
      sums += h[k] * vec4<f32>(weight[i * ${hidden}u + k], weight[(${hidden}u + i) * ${hidden}u + k],
        weight[(${2 * hidden}u + i) * ${hidden}u + k], weight[(${3 * hidden}u + i) * ${hidden}u + k]);
    }
    c[i] = sigmoid(sums.y) * c[i] + sigmoid(sums.x) * tanh(clamp(sums.z, -15.0, 15.0));
    next[i] = sigmoid(sums.w) * tanh(clamp(c[i], -15.0, 15.0));
    y[row * ${hidden}u + i] = next[i];`)}
    workgroupBarrier();
${values('    h[i] = next[i];')}
    workgroupBarrier();
  }
${stateful ? `  if (place.y == 0u) { return; }\n${values(`    ${stateAt('w', 0)} = h[i];\n    ${stateAt('w', 1)} = c[i];`)}` : ''}
}
`;
}

export function lstmKernel(variant: LstmVariant): Kernel {
  const { hidden, stateful, invocations } = variant;
  const bind = (name: string, access: Binding['access'], type = 'array<f32>'): Binding => ({ name, access, type });
  const bindings: readonly Binding[] = [
    bind('gates', 'read'), bind('weight', 'read'), bind('y', 'write'),
    ...(stateful
      ? [bind('state', 'write'), bind('rowSequence', 'read', 'array<u32>'), bind('slots', 'read', 'array<vec4<u32>>')]
      : [STEP_BINDING]),
  ];
  return {
    key: kernelKey('lstm', variant),
    label: `lstm [${hidden}]${variant.reverse ? ' reverse' : ''}`,
    wgsl: [
      kernelHeader(bindings, {}), stateful ? '' : `${STEP_STRUCT}\n`, `${activationFunction('sigmoid')}\n`, mainText(variant),
    ].join(''),
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function lstmWorkgroups({ stateful }: LstmVariant, rows: number): Workgroups {
  return stateful ? rowWorkgroups(Math.max(1, rows), 1) : linearWorkgroups(1);
}
