/** What ends a block with a norm behind it: residual + gain * x / sqrt(mean(x^2) + eps), and what the next product reads. */
import { InputError } from '../../../tensor/errors.ts';
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { q8Bindings } from '../../linear-shape.ts';
import type { LinearOutputs } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { inverseRoot, range, unrolled } from '../../wgsl/expressions.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { lanesOfWidth, rowsExpression, rowsOf, stepBindings, stepStruct } from '../../wgsl/row-pieces.ts';
import type { RowsVariant } from '../../wgsl/row-pieces.ts';
import { rowSumFunction } from '../../wgsl/row-sum.ts';

/**
 * Bindings `x`, `residual`: f32 [rows, groups * width]; `gain`: f32 [width]; `factor` where the sum has one: f32 [1]. Writes `y`: f32 like
 * x, and, rounded, `yCodes` and `yStats` as products do (q8-layout.ts; with a norm also `yGain`), which take one group and a width that is
 * a multiple of 32.
 */
export interface AddNormVariant extends RowsVariant {
  readonly width: number;
  /** Parts of a row with a norm each, one behind the other; absent: 1. */
  readonly groups?: number | undefined;
  readonly eps: number;
  /** What the sum is multiplied by: a number, or the first value of `factor`; absent: 1. */
  readonly by?: number | 'factor' | undefined;
  /** At least one. */
  readonly outputs: LinearOutputs;
}

/** A workgroup takes a group of a row, and each of its lanes the same units of it from the first read to the last write. */
interface AddNormShape {
  /** Loads of a unit: four vectors where a unit is a block of 16 values, or one vector, or one value. */
  readonly loads: number;
  readonly units: number;
  readonly lanes: number;
  readonly unitsEach: number;
}

function shapeOf({ width }: AddNormVariant): AddNormShape {
  const { values } = lanesOfWidth(width);
  const loads = width % Q8_BLOCK === 0 ? Q8_BLOCK / 4 : 1;
  const units = width / values / loads;
  const lanes = Math.min(256, Math.max(64, 2 ** Math.ceil(Math.log2(units))));
  return { loads, units, lanes, unitsEach: Math.ceil(units / lanes) };
}

/** `statements` for unit `u` of a lane, where there is one. */
function guarded({ units, lanes }: AddNormShape, u: number, statements: string): string {
  return (u + 1) * lanes <= units ? `  {\n${statements}\n  }` : `  if (lane < ${units - u * lanes}u) {\n${statements}\n  }`;
}

function writeUnit(variant: AddNormVariant, shape: AddNormShape, u: number): string {
  const { by, outputs } = variant;
  const factor = by === undefined ? '' : ` * ${by === 'factor' ? 'times' : `f32(${by})`}`;
  const value = (i: number) => {
    const sum = `r${u}_${i} + v${u}_${i} * g${u}_${i} * root`;
    return `    let y${u}_${i} = ${factor === '' ? sum : `(${sum})${factor}`};`;
  };
  const block = (name: string) => `mat4x4<f32>(${range(4).map((i) => name.replaceAll('#', `${u}_${i}`)).join(', ')})`;
  const put = (name: string, values: string) => `    yPut${name}(row, lane + ${u * shape.lanes}u, ${block(values)});`;
  return guarded(shape, u, [
    unrolled(shape.loads, value),
    ...(outputs.f32 ? [unrolled(shape.loads, (i) => `    y[xAt + at${u} + ${i}u] = y${u}_${i};`)] : []),
    ...(outputs.q8?.norm ? [put('Share', 'y#'), put('Codes', 'y# * h#')] : outputs.q8 ? [put('Codes', 'y#')] : []),
  ].join('\n'));
}

function mainText(variant: AddNormVariant): string {
  const { width, groups = 1, by, eps, outputs } = variant;
  const { type, values } = lanesOfWidth(width);
  const shape = shapeOf(variant);
  const hasNext = outputs.q8?.norm !== undefined;
  const { loads, lanes, unitsEach } = shape;
  // All reads come before the sum, so that they are under way together.
  const names = ['v', 'r', 'g', ...(hasNext ? ['h'] : [])];
  const declare = (u: number) => unrolled(loads, (i) => `  ${names.map((name) => `var ${name}${u}_${i}: ${type};`).join(' ')}`);
  const next = (u: number, i: number) => `vec4<f32>(${range(4).map((c) => `yGain[4u * (at${u} + ${i}u) + ${c}u]`).join(', ')})`;
  const read = (u: number) => guarded(shape, u, unrolled(loads, (i) => `    v${u}_${i} = x[xAt + at${u} + ${i}u];
    r${u}_${i} = residual[xAt + at${u} + ${i}u];
    g${u}_${i} = gain[at${u} + ${i}u];${hasNext ? `\n    h${u}_${i} = ${next(u, i)};` : ''}
    squares += v${u}_${i} * v${u}_${i};`));
  const count = `${rowsExpression(variant)}${groups === 1 ? '' : ` * ${groups}u`}`;
  return `@compute @workgroup_size(${lanes})
fn main(${MAIN_ARGUMENTS}) {
  let row = ${LINEAR_WORKGROUP};
  if (row >= ${count}) { return; }${by === 'factor' ? '\n  let times = factor[0];' : ''}
  let xAt = row * ${width / values}u;
  var squares = ${type}(0.0);
${unrolled(unitsEach, (u) => `  let at${u} = (lane + ${u * lanes}u) * ${loads}u;\n${declare(u)}`)}
${unrolled(unitsEach, read)}
  let mean = rowSum(lane, ${values === 4 ? 'dot(squares, vec4<f32>(1.0))' : 'squares'}) * ${1 / width} + ${eps};
  let root = ${inverseRoot('mean')};
${unrolled(unitsEach, (u) => writeUnit(variant, shape, u))}
}
`;
}

export function addNormKernel(variant: AddNormVariant): Kernel {
  const { width, groups = 1, by, outputs: { f32, q8 } } = variant;
  if (!f32 && !q8) throw new InputError('a sum without outputs');
  if (q8 && groups !== 1) throw new InputError(`a sum that writes int8 takes one group; got ${groups}`);
  const type = `array<${lanesOfWidth(width).type}>`;
  const bindings: readonly Binding[] = [
    { name: 'x', access: 'read', type },
    { name: 'residual', access: 'read', type },
    { name: 'gain', access: 'read', type },
    ...(by === 'factor' ? [{ name: 'factor', access: 'read' as const, type: 'array<f32>' }] : []),
    ...(f32 ? [{ name: 'y', access: 'write' as const, type }] : []),
    ...(q8 ? q8Bindings('y', 'write') : []),
    ...(q8?.norm ? [{ name: 'yGain', access: 'read' as const, type: 'array<f32>' }] : []),
    ...stepBindings(variant),
  ];
  const { lanes } = shapeOf(variant);
  return {
    key: kernelKey('add-norm', variant),
    label: `add-norm [${groups * width}]${groups > 1 ? ` / ${groups}` : ''}${q8 ? (q8.norm ? ' q8n' : ' q8') : ''}`,
    wgsl: [
      kernelHeader(bindings, {}),
      stepStruct(variant),
      q8 ? `${q8EpilogueFunctions({ name: 'y', width, norm: q8.norm })}\n` : '',
      rowSumFunction(lanes),
      mainText(variant),
    ].join(''),
    bindings,
    workgroupSize: lanes,
    needs: {},
  };
}

export function addNormWorkgroups(variant: AddNormVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, rowsOf(variant, rows) * (variant.groups ?? 1)));
}
