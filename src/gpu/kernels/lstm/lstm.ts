/**
 * The recurrence of a long short-term memory (Hochreiter and Schmidhuber 1997). A workgroup takes a sequence and goes from row to row. The
 * values of h before are in parts: an invocation adds up what its part gives to the four gates of a value, and one of them adds up parts.
 */
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS, rowWorkgroups } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { STEP_BINDING, STEP_STRUCT } from '../../linear-shape.ts';
import { activationFunction } from '../../wgsl/activation.ts';

/**
 * Bindings `gates` f32 [rows, 4 * hidden], `weight` f32 [hidden before, hidden, 4]: of each value before, what it counts for in the four
 * gates of each value, so that neighbours read what lies together; `y` f32 [rows, hidden]; where there is a state `state` f32
 * [slot, 2, hidden], `rowSequence` [rows], `slots` [sequences] of (first row, rows, slot read, slot written).
 */
export interface LstmVariant {
  readonly hidden: number;
  /** False: all rows are one sequence, from zeros on. */
  readonly stateful: boolean;
  /** From the last row to the first; not with a state. */
  readonly reverse: boolean;
  /** Of a workgroup, at most. */
  readonly invocations: number;
  readonly bytes: number;
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

/** How a workgroup shares the sums: `width` invocations a part, each with some values of h, and `parts` parts of the values before. */
function sharesOf({ hidden, invocations, bytes }: LstmVariant) {
  const width = Math.min(hidden, invocations);
  const fits = (parts: number) => width * parts <= invocations && PLACE_BYTES + hidden * (8 + 16 * parts) <= bytes;
  const parts = [4, 2].find(fits) ?? 1;
  return { width, parts, each: Math.ceil(hidden / parts) };
}

const PLACE_BYTES = 16;
/** Values of h that are multiplied together: as many reads of weights are under way. */
const BURST = 8;

/** What a part of the values before adds to the four gates of value i. */
function partText(variant: LstmVariant): string {
  const { hidden } = variant;
  const { parts, each } = sharesOf(variant);
  const product = (n: number) => `      sums += h[k + ${n}u] * weight[(k + ${n}u) * ${hidden}u + i];`;
  const isWhole = each * parts === hidden && each % BURST === 0;
  const burst = Array.from({ length: isWhole ? BURST : 1 }, (_, n) => product(n)).join('\n');
  const bounded = isWhole ? burst : `      if (k < ${hidden}u) {\n  ${burst}\n      }`;
  return `    var sums = vec4<f32>();
    for (var turn = 0u; turn < ${isWhole ? each / BURST : each}u; turn++) {
      let k = part * ${each}u + turn * ${isWhole ? BURST : 1}u;
${bounded}
    }
    partial[part * ${hidden}u + i] = sums;`;
}

function mainText(variant: LstmVariant): string {
  const { hidden, stateful, reverse } = variant;
  const { width, parts } = sharesOf(variant);
  const values = (body: string) => `  for (var i = lane; i < ${hidden}u; i += ${width * parts}u) {\n${body}\n  }`;
  const stateAt = (slot: string, part: 0 | 1) => `state[(place.${slot} * 2u + ${part}u) * ${hidden}u + i]`;
  const gate = (n: number) => `gates[row * ${4 * hidden}u + ${n * hidden}u + i]`;
  return `var<workgroup> placeOfAll: vec4<u32>;
var<workgroup> h: array<f32, ${hidden}>;
var<workgroup> c: array<f32, ${hidden}>;
var<workgroup> partial: array<vec4<f32>, ${parts * hidden}>;
@compute @workgroup_size(${width * parts})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
${placeText(variant)}
  let place = workgroupUniformLoad(&placeOfAll);
  let part = lane / ${width}u;
${values(stateful ? `    h[i] = ${stateAt('z', 0)};\n    c[i] = ${stateAt('z', 1)};` : '    h[i] = 0.0;\n    c[i] = 0.0;')}
  workgroupBarrier();
  for (var t = 0u; t < place.y; t++) {
    let row = ${reverse ? 'place.x + place.y - 1u - t' : 'place.x + t'};
  for (var i = lane - part * ${width}u; i < ${hidden}u; i += ${width}u) {
${partText(variant)}
  }
    workgroupBarrier();
${values(`    var sums = vec4<f32>(${[0, 1, 2, 3].map(gate).join(', ')});
    for (var p = 0u; p < ${parts}u; p++) { sums += partial[p * ${hidden}u + i]; }
    c[i] = sigmoid(sums.y) * c[i] + sigmoid(sums.x) * tanh(clamp(sums.z, -15.0, 15.0));
    h[i] = sigmoid(sums.w) * tanh(clamp(c[i], -15.0, 15.0));
    y[row * ${hidden}u + i] = h[i];`)}
    workgroupBarrier();
  }
${stateful ? `  if (place.y == 0u) { return; }\n${values(`    ${stateAt('w', 0)} = h[i];\n    ${stateAt('w', 1)} = c[i];`)}` : ''}
}
`;
}

export function lstmKernel(variant: LstmVariant): Kernel {
  const { hidden, stateful } = variant;
  const { width, parts } = sharesOf(variant);
  const bind = (name: string, access: Binding['access'], type = 'array<f32>'): Binding => ({ name, access, type });
  const bindings: readonly Binding[] = [
    bind('gates', 'read'), bind('weight', 'read', 'array<vec4<f32>>'), bind('y', 'write'),
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
    workgroupSize: width * parts,
    needs: {},
  };
}

export function lstmWorkgroups({ stateful }: LstmVariant, rows: number): Workgroups {
  return stateful ? rowWorkgroups(Math.max(1, rows), 1) : linearWorkgroups(1);
}
