/** Layer norm: y = gain * (x - mean(x)) / sqrt(variance(x) + eps) + bias over each row. Ba et al. 2016. */
import { InputError } from '../../../tensor/errors.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { q8Bindings } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { inverseRoot } from '../../wgsl/expressions.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { laneLoop, rowSumFunction } from '../../wgsl/row-sum.ts';
import { lanesOfWidth, rowsExpression, rowsOf, stepBindings, stepStruct } from '../../wgsl/row-pieces.ts';
import type { RowsVariant } from '../../wgsl/row-pieces.ts';

/**
 * Bindings `x`: f32 [rows, width]; `gain`, and `bias` where there is one: f32 [width]. Writes `y`: f32 [rows, width], and `yCodes`,
 * `yStats`: plain q8 of the same (width a multiple of 32). A workgroup takes a row.
 */
export interface LayerNormVariant extends RowsVariant {
  readonly width: number;
  readonly eps: number;
  readonly bias: boolean;
  /** At least one. */
  readonly outputs: { readonly f32: boolean; readonly q8: boolean };
}

/** Invocations of a row. */
const LANES = 64;

/** The loop that writes: 16 values at a time where they are rounded to int8. */
function writeLoop({ width, bias, outputs }: LayerNormVariant): string {
  const { values } = lanesOfWidth(width);
  const value = (k: string) => `(x[xAt + ${k}] - mean) * factor * gain[${k}]${bias ? ` + bias[${k}]` : ''}`;
  if (!outputs.q8) return laneLoop(width / values, LANES, `    y[xAt + k] = ${value('k')};`);
  const quads = [0, 1, 2, 3].map((i) => `4u * k + ${i}u`);
  const floats = outputs.f32 ? quads.map((at, i) => `\n    y[xAt + ${at}] = v[${i}];`).join('') : '';
  return laneLoop(width / Q8_BLOCK, LANES, `    let v = mat4x4<f32>(${quads.map(value).join(', ')});
    yPutBlock(row, k, v);${floats}`);
}

function mainText(variant: LayerNormVariant): string {
  const { width, eps } = variant;
  const { type, values } = lanesOfWidth(width);
  const loads = width / values;
  const whole = (sums: string) => (values === 4 ? `dot(${sums}, vec4<f32>(1.0))` : sums);
  // The mean is taken off before the squares, so that they keep their precision where it is large.
  return `@compute @workgroup_size(${LANES})
fn main(${MAIN_ARGUMENTS}) {
  let row = ${LINEAR_WORKGROUP};
  if (row >= ${rowsExpression(variant)}) { return; }
  let xAt = row * ${loads}u;
  var values = ${type}(0.0);
${laneLoop(loads, LANES, '    values += x[xAt + k];')}
  let mean = rowSum(lane, ${whole('values')}) * ${1 / width};
  var squares = ${type}(0.0);
${laneLoop(loads, LANES, '    let v = x[xAt + k] - mean;\n    squares += v * v;')}
  let variance = rowSum(lane, ${whole('squares')}) * ${1 / width} + ${eps};
  let factor = ${inverseRoot('variance')};
${writeLoop(variant)}
}
`;
}

export function layerNormKernel(variant: LayerNormVariant): Kernel {
  const { width, bias, outputs } = variant;
  if (!outputs.f32 && !outputs.q8) throw new InputError('a layer norm without outputs');
  const type = `array<${lanesOfWidth(width).type}>`;
  const bindings: readonly Binding[] = [
    { name: 'x', access: 'read', type },
    { name: 'gain', access: 'read', type },
    ...(bias ? [{ name: 'bias', access: 'read' as const, type }] : []),
    ...(outputs.f32 ? [{ name: 'y', access: 'write' as const, type }] : []),
    ...(outputs.q8 ? q8Bindings('y', 'write') : []),
    ...stepBindings(variant),
  ];
  return {
    key: kernelKey('layer-norm', variant),
    label: `layer-norm [${width}]${outputs.q8 ? ' q8' : ''}`,
    wgsl: [
      kernelHeader(bindings, {}),
      stepStruct(variant),
      outputs.q8 ? `${q8EpilogueFunctions({ name: 'y', width, norm: undefined })}\n` : '',
      rowSumFunction(LANES),
      mainText(variant),
    ].join(''),
    bindings,
    workgroupSize: LANES,
    needs: {},
  };
}

export function layerNormWorkgroups(variant: LayerNormVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, rowsOf(variant, rows)));
}
