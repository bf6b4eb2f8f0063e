/**
 * Layout of KV pages and slots. A page holds the states of one group: state by state, keys then values, each [kvHeads, pageTokens, width]
 * with the vectors of one head one after another, so that attention reads a head's keys as one stream. `width` is headDim rounded up to 4,
 * padded with zeros. A slot holds all slot states of one sequence, one after another, f32.
 */
import type { KvLayout } from '../graph/executor.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { slotStates, stateGroups } from '../graph/state.ts';
import { align } from './memory.ts';

export interface StateLayout {
  readonly width: number;
  /** Offset of the keys in a page, and from the keys to the values. */
  readonly stateOffset: number;
  readonly valueOffset: number;
}

export interface PageLayout {
  /** Bytes of a page, by group. */
  readonly pageBytes: readonly number[];
  readonly pageTokens: number;
  readonly isHalf: boolean;
  /** By index of the paged state. */
  readonly states: ReadonlyMap<number, StateLayout>;
  readonly slotBytes: number;
  /** Offset in a slot, by index of the slot state. */
  readonly slotStates: ReadonlyMap<number, number>;
}

export function layOutPages({ states: all }: Pick<ModelGraphs, 'states'>, kv: KvLayout): PageLayout {
  const elementBytes = kv.type === 'f16' ? 2 : 4;
  const states = new Map<number, StateLayout>();
  const pageBytes = stateGroups(all).map((group) => {
    let end = 0;
    for (const { index, heads: kvHeads, keyDim: headDim } of group.states) {
      const width = Math.ceil(headDim / 4) * 4;
      const valueOffset = kvHeads * kv.pageTokens * width * elementBytes;
      states.set(index, { width, stateOffset: end, valueOffset });
      end += align(2 * valueOffset);
    }
    return end;
  });
  const offsets = new Map<number, number>();
  let slotBytes = 0;
  for (const { index, shape } of slotStates(all)) {
    offsets.set(index, slotBytes);
    slotBytes += align(shape.reduce((product, dim) => product * dim, 4));
  }
  return { pageBytes, pageTokens: kv.pageTokens, isHalf: kv.type === 'f16', states, slotBytes, slotStates: offsets };
}
