/** The executor's own op: the rows of a step by the experts that they go to. */
import { widthOf } from '../../graph/value.ts';
import { expertListsKernel, expertListsWorkgroups, expertListWidth } from '../kernels/expert-lists/expert-lists.ts';
import type { GpuOpRules, UseOptions } from '../plan/gpu-op-rules.ts';
import { rowsOfValue } from '../plan/gpu-value.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { GridCounts, KernelUse, RowClass } from '../plan/kernel-use.ts';
import { floatsRef } from '../plan/value-refs.ts';
import { expertTileRows } from './linear-kernels.ts';
import { rowUse } from './row-use.ts';

/** Input: routes. Output: their lists, i32. */
export interface ExpertListsOp {
  readonly kind: 'expertLists';
  /** Experts that there are. */
  readonly count: number;
}

/**
 * How products with experts take several rows: pairs of a tile, which are a pass of a GEMV or a tile of a GEMM. Of many rows the GEMV takes
 * those that leave tiles of a GEMM mostly empty; `isFor` says for how many rows a form is.
 */
export interface ExpertForm {
  readonly kernel: 'gemv' | 'gemm';
  readonly tileRows: number;
  isFor(rows: number): boolean;
}

/** Rows that an expert has on average, from which on tiles pay, and those of few rows on matrix units of halves (an H200). */
const GEMM_FROM_ROWS = 16;
const FEW_FROM_ROWS = 4;
const FEW_TILE_ROWS = 16;

export function expertForms(
  rows: RowClass, { count, used, profile }: { readonly count: number; readonly used: number } & Pick<UseOptions, 'profile'>,
): readonly ExpertForm[] {
  if (rows !== 'many') return [{ kernel: 'gemv', tileRows: rows === 8 ? 8 : 4, isFor: () => true }];
  const isFrom = (least: number) => (given: number) => given * used >= least * count;
  const isMany = isFrom(GEMM_FROM_ROWS);
  const isFew = profile.subgroupMatrix?.input === 'f16' ? isFrom(FEW_FROM_ROWS) : isMany;
  return [
    { kernel: 'gemv', tileRows: 8, isFor: (given) => !isFew(given) },
    ...(isFew === isMany
      ? [] : [{ kernel: 'gemm', tileRows: FEW_TILE_ROWS, isFor: (given: number) => isFew(given) && !isMany(given) } as const]),
    { kernel: 'gemm', tileRows: expertTileRows(profile), isFor: isMany },
  ];
}

/** A use that has nothing to do for some numbers of rows. */
export function onlyFor(use: KernelUse, isFor: (counts: GridCounts) => boolean): KernelUse {
  return {
    ...use,
    workgroups: (counts) => (isFor(counts) ? use.workgroups(counts) : [0, 1, 1]),
    cost: (counts) => (isFor(counts) ? use.cost(counts) : { bytes: 0, multiplyAdds: 0 }),
  };
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
  uses(step, { rows }, { profile }) {
    const [routes] = step.inputs as readonly [GpuValue];
    const [lists] = step.outputs as readonly [GpuValue];
    const { count } = step.op;
    const used = usedOf(routes);
    const buffers = { routes: floatsRef(routes), lists: floatsRef(lists) };
    return expertForms(rows, { count, used, profile }).flatMap(({ tileRows, isFor }) => {
      const kernel = expertListsKernel({ count, used, tileRows, invocations: INVOCATIONS });
      return rowUse(step, { kernel, buffers, workgroups: expertListsWorkgroups }).map((use) =>
        onlyFor(use, ({ sizes }) => isFor(rowsOfValue(routes, sizes))));
    });
  },
};
