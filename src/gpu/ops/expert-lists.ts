/** The executor's own op: the rows of a step by the experts that they go to. */
import { widthOf } from '../../graph/value.ts';
import { expertListsKernel, expertListsWorkgroups, expertListWidth } from '../kernels/expert-lists/expert-lists.ts';
import type { GpuOpRules } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { RowClass } from '../plan/kernel-use.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Input: routes. Output: their lists, i32. */
export interface ExpertListsOp {
  readonly kind: 'expertLists';
  /** Experts that there are. */
  readonly count: number;
}

/** Pairs of a tile, which products with experts then take at a time. */
export function listedTileRows(rows: RowClass): 4 | 8 {
  return rows === 'one' || rows === 4 ? 4 : 8;
}

/** The lists of routes, as a value of the plan. */
export function listsOf(routes: GpuValue): GpuValue {
  const width = expertListWidth({ used: widthOf(routes) / 2 });
  return { id: -1 - routes.id, dtype: 'i32', shape: [routes.shape[0] as GpuValue['shape'][0], width], label: `${routes.label}.lists` };
}

/** Experts of a row, by what products with them read: routes, or lists of them. */
export function usedOf(read: GpuValue): number {
  return widthOf(read) / (read.dtype === 'i32' ? expertListWidth({ used: 1 }) : 2);
}

const INVOCATIONS = 256;

export const expertListsRules: GpuOpRules<ExpertListsOp> = {
  describe: ({ count }) => `${count} experts`,
  form: 'rows',
  uses(step, { rows }) {
    const [routes] = step.inputs as readonly [GpuValue];
    const [lists] = step.outputs as readonly [GpuValue];
    const kernel = expertListsKernel({
      count: step.op.count, used: usedOf(routes), tileRows: listedTileRows(rows), invocations: INVOCATIONS,
    });
    const [use] = rowUse(step, { kernel, buffers: { routes: floatsRef(routes), lists: floatsRef(lists) }, workgroups: expertListsWorkgroups });
    return use === undefined ? [] : [use];
  },
};
