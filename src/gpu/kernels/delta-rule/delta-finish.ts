/** The end of the delta rule in chunks (chunk-records.ts): a workgroup takes y of a row and head from the records and finishes it. */
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { STEP_BINDING, STEP_STRUCT } from '../../linear-shape.ts';
import { unrolled } from '../../wgsl/expressions.ts';
import { recordFloats } from './chunk-records.ts';
import type { DeltaChunkShape } from './chunk-records.ts';
import { checkFinish, finishBindings, finishFunctions, finishText } from './finish-row.ts';
import type { FinishedRow } from './finish-row.ts';

/** Bindings `records`, `rates` and `gates` where there is a norm, as of DeltaRuleVariant; writes `y`, or `yCodes` and `yStats`. */
export interface DeltaFinishVariant extends FinishedRow, Pick<DeltaChunkShape, 'keyDim' | 'chunk'> {}

export function deltaFinishKernel(variant: DeltaFinishVariant): Kernel {
  const { valueHeads, valueDim, keyDim, chunk, gates, norm, output, invocations } = variant;
  checkFinish(variant);
  const read = (name: string): Binding => ({ name, access: 'read', type: 'array<f32>' });
  const bindings: readonly Binding[] = [
    read('records'), ...(norm === undefined ? [] : [read('gates'), read('rates')]), STEP_BINDING, ...finishBindings(variant),
  ];
  const each = Math.ceil(valueDim / invocations);
  const load = (u: number) =>
    `lineY[lane + ${u * invocations}u] = records[item * ${recordFloats(variant)}u + ${keyDim + u * invocations}u + lane];`;
  return {
    key: kernelKey('delta-finish', { valueHeads, valueDim, keyDim, chunk, gates, norm, output, invocations }),
    label: `delta-finish ${valueHeads} x ${valueDim}${norm === undefined ? '' : ' normed'} ${output}`,
    wgsl: `${kernelHeader(bindings, {})}${STEP_STRUCT}
${finishFunctions(variant)}@compute @workgroup_size(${invocations})
fn main(${MAIN_ARGUMENTS}) {
  let item = ${LINEAR_WORKGROUP};
  let row = item / ${valueHeads}u;
  let head = item % ${valueHeads}u;
  if (row >= step.rows) { return; }
${unrolled(each, (u) => `  ${valueDim % invocations === 0 ? load(u) : `if (lane + ${u * invocations}u < ${valueDim}u) { ${load(u)} }`}`)}
${finishText(variant)}
}
`,
    bindings,
    workgroupSize: invocations,
    needs: {},
  };
}

export function deltaFinishWorkgroups({ valueHeads }: Pick<DeltaFinishVariant, 'valueHeads'>, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, rows * valueHeads));
}
