/** RMS norm: y = gain * x / sqrt(mean(x^2) + eps) over each group of a row. Zhang and Sennrich 2019. */
import { InputError } from '../../../tensor/errors.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { q8Bindings } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { laneLoop } from '../../wgsl/row-sum.ts';
import { lanesOfWidth, rowsExpression, rowsOf, stepBindings, stepStruct } from '../../wgsl/row-pieces.ts';
import type { RowsVariant } from '../../wgsl/row-pieces.ts';
import { inverseRoot } from '../../wgsl/expressions.ts';

/**
 * Bindings `x`: f32 [rows, width]; `gain`: f32 [width / groups], shared by the groups; with `gather` `outIndices`: u32 [rows].
 * Writes `y`: f32 [rows, width], and `yCodes`, `yStats`: plain q8 of the normalised values.
 */
export interface NormVariant extends RowsVariant {
  readonly width: number;
  /** Equal parts of a row with a norm each; per-head norms have as many as heads. */
  readonly groups: number;
  readonly eps: number;
  /** Row i of the result is of row outIndices[i] of x. */
  readonly gather: boolean;
  /** At least one. `q8` takes a width that is a multiple of 32 and groups of a multiple of 16 values. */
  readonly outputs: { readonly f32: boolean; readonly q8: boolean };
}

interface NormShape {
  /** Lanes that share a group: a power of two. */
  readonly lanes: number;
  readonly groupsPerWorkgroup: number;
  readonly workgroupSize: number;
}

/** About four 16-byte loads for each lane; small groups share a workgroup. */
function shapeOf({ width, groups }: NormVariant): NormShape {
  const n = width / groups;
  const loads = n / lanesOfWidth(n).values;
  const lanes = Math.min(128, 2 ** Math.ceil(Math.log2(Math.max(1, loads / 4))));
  const workgroupSize = Math.max(64, lanes);
  return { lanes, groupsPerWorkgroup: workgroupSize / lanes, workgroupSize };
}

function checkNorm({ width, groups, outputs }: NormVariant): void {
  if (width % groups !== 0) throw new InputError(`a norm takes equal groups; ${width} values do not divide by ${groups}`);
  if (!outputs.f32 && !outputs.q8) throw new InputError('a norm without outputs');
  if (outputs.q8 && (width / groups) % Q8_BLOCK !== 0)
    throw new InputError(`a norm that writes int8 takes groups of a multiple of ${Q8_BLOCK} values; got ${width / groups}`);
}

/** Normalises and writes: 16 values at a time where they are rounded to int8. */
function writeLoop({ width, groups, outputs }: NormVariant, lanes: number): string {
  const n = width / groups;
  const loads = n / lanesOfWidth(n).values;
  if (!outputs.q8) return laneLoop(loads, lanes, '    y[yAt + k] = x[xAt + k] * gain[k] * factor;', 'part');
  const value = (i: number) => `x[xAt + 4u * k + ${i}u] * gain[4u * k + ${i}u] * factor`;
  const floats = outputs.f32 ? [0, 1, 2, 3].map((i) => `\n    y[yAt + 4u * k + ${i}u] = v[${i}];`).join('') : '';
  return laneLoop(n / Q8_BLOCK, lanes, `    let v = mat4x4<f32>(${[0, 1, 2, 3].map(value).join(', ')});
    yPutBlock(row, group * ${n / Q8_BLOCK}u + k, v);${floats}`, 'part');
}

function normMain(variant: NormVariant): string {
  const { width, groups, eps, gather, outputs } = variant;
  const { lanes, groupsPerWorkgroup, workgroupSize } = shapeOf(variant);
  const n = width / groups;
  const { values, type } = lanesOfWidth(n);
  const loads = n / values;
  const yAt = outputs.f32 ? `\n  let yAt = row * ${groups * loads}u + group * ${loads}u;` : '';
  // The sums lie in workgroup memory and each lane of a group adds them all: one barrier, the same order in every lane.
  return `var<workgroup> sums: array<f32, ${workgroupSize}>;
@compute @workgroup_size(${workgroupSize})
fn main(${MAIN_ARGUMENTS}) {
  let slot = lane / ${lanes}u;
  let part = lane - slot * ${lanes}u;
  let index = ${LINEAR_WORKGROUP} * ${groupsPerWorkgroup}u + slot;
  let row = index / ${groups}u;
  let group = index - row * ${groups}u;
  let present = row < ${rowsExpression(variant)};
  var xAt = 0u;
  var squares = ${type}(0.0);
  if (present) {
    xAt = ${gather ? 'outIndices[row]' : 'row'} * ${groups * loads}u + group * ${loads}u;
${laneLoop(loads, lanes, '    let v = x[xAt + k];\n    squares += v * v;', 'part')}
  }
  sums[lane] = ${values === 4 ? 'dot(squares, vec4<f32>(1.0))' : 'squares'};
  workgroupBarrier();
  if (!present) { return; }
  var total = 0.0;
  for (var i = 0u; i < ${lanes}u; i++) { total += sums[slot * ${lanes}u + i]; }
  let mean = total * ${1 / n} + ${eps};
  let factor = ${inverseRoot('mean')};${yAt}
${writeLoop(variant, lanes)}
}
`;
}

export function normKernel(variant: NormVariant): Kernel {
  checkNorm(variant);
  const { width, groups, gather, outputs } = variant;
  const { type } = lanesOfWidth(width / groups);
  const { workgroupSize } = shapeOf(variant);
  const bindings: readonly Binding[] = [
    { name: 'x', access: 'read', type: `array<${type}>` },
    { name: 'gain', access: 'read', type: `array<${type}>` },
    ...(gather ? [{ name: 'outIndices', access: 'read' as const, type: 'array<u32>' }] : []),
    ...(outputs.f32 ? [{ name: 'y', access: 'write' as const, type: `array<${type}>` }] : []),
    ...(outputs.q8 ? q8Bindings('y', 'write') : []),
    ...stepBindings(variant),
  ];
  return {
    key: kernelKey('norm', variant),
    label: `norm [${width}]${groups > 1 ? ` / ${groups}` : ''}${outputs.q8 ? ' q8' : ''}`,
    wgsl: [
      kernelHeader(bindings, {}),
      stepStruct(variant),
      outputs.q8 ? `${q8EpilogueFunctions({ name: 'y', width, norm: undefined })}\n` : '',
      normMain(variant),
    ].join(''),
    bindings,
    workgroupSize,
    needs: {},
  };
}

export function normWorkgroups(variant: NormVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, Math.ceil((rowsOf(variant, rows) * variant.groups) / shapeOf(variant).groupsPerWorkgroup)));
}
