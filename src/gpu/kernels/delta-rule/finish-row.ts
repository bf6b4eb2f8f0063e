/** What the delta rule does with y of a row and head: the norm of the head, its gate, rounding to int8. */
import { InputError } from '../../../tensor/errors.ts';
import type { Binding } from '../../kernel.ts';
import { q8Bindings } from '../../linear-shape.ts';
import { Q8_BLOCK } from '../../q8-layout.ts';
import { activationFunction } from '../../wgsl/activation.ts';
import { inverseRoot, range, unrolled } from '../../wgsl/expressions.ts';
import { q8EpilogueFunctions } from '../../wgsl/q8-epilogue.ts';
import { rowSumFunction } from '../../wgsl/row-sum.ts';
import type { DeltaRuleVariant } from './delta-rule-variant.ts';

export type FinishedRow = Pick<DeltaRuleVariant, 'valueHeads' | 'valueDim' | 'gates' | 'norm' | 'output' | 'invocations'>;

/** Bindings of the result. */
export function finishBindings({ output }: Pick<FinishedRow, 'output'>): readonly Binding[] {
  return output === 'q8' ? q8Bindings('y', 'write') : [{ name: 'y', access: 'write', type: 'array<f32>' }];
}

/** `lineY` and the functions of {@link finishText}. */
export function finishFunctions({ valueHeads, valueDim, norm, output, invocations }: FinishedRow): string {
  return [
    `var<workgroup> lineY: array<f32, ${valueDim}>;\n`,
    norm === undefined ? '' : `${activationFunction('silu')}\n${rowSumFunction(invocations)}`,
    output === 'q8' ? `${q8EpilogueFunctions({ name: 'y', width: valueHeads * valueDim, norm: undefined })}\n` : '',
  ].join('');
}

/** @throws InputError for what the kernels have no form for */
export function checkFinish({ valueDim, gates, norm, output }: FinishedRow): void {
  if (norm !== undefined && gates === undefined) throw new InputError('a delta rule with a norm reads its gate from joined gates');
  if (output === 'q8' && valueDim % 32 !== 0)
    throw new InputError(`a delta rule that writes int8 takes heads of multiples of 32; got ${valueDim}`);
}

/** What becomes of `lineY`, all of a row's y of the head, once it is whole. */
export function finishText(variant: FinishedRow): string {
  const { valueHeads, valueDim, gates, norm, output, invocations } = variant;
  const width = valueHeads * valueDim;
  const each = Math.ceil(valueDim / invocations);
  const at = (u: number) => `lane + ${u * invocations}u`;
  const guarded = (u: number, body: string) => (valueDim % invocations === 0 ? body : `if (${at(u)} < ${valueDim}u) { ${body} }`);
  const gate = (u: number) => `silu(gates[row * ${gates?.of}u + ${gates?.z}u + head * ${valueDim}u + ${at(u)}])`;
  const normed = norm === undefined || gates === undefined ? '' : `    var squares = 0.0;
${unrolled(each, (u) => `    ${guarded(u, `squares += lineY[${at(u)}] * lineY[${at(u)}];`)}`)}
    let mean = rowSum(lane, squares) * ${1 / valueDim} + ${norm.eps};
    let root = ${inverseRoot('mean')};
${unrolled(each, (u) => `    ${guarded(u, `lineY[${at(u)}] *= root * rates[${2 * valueHeads}u + ${at(u)}] * ${gate(u)};`)}`)}`;
  const quad = (i: number) => `vec4<f32>(${range(4).map((j) => `lineY[lane * ${Q8_BLOCK}u + ${4 * i + j}u]`).join(', ')})`;
  const write = output === 'q8'
    ? `${normed === '' ? '' : '    workgroupBarrier();\n'}    if (lane < ${valueDim / Q8_BLOCK}u) {
      yPutBlock(row, head * ${valueDim / Q8_BLOCK}u + lane, mat4x4<f32>(${range(4).map(quad).join(', ')}));
    }`
    : unrolled(each, (u) => `    ${guarded(u, `y[row * ${width}u + head * ${valueDim}u + ${at(u)}] = lineY[${at(u)}];`)}`);
  return `    workgroupBarrier();\n${normed}\n${write}\n    workgroupBarrier();`;
}
