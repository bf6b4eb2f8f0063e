/**
 * Layout of KV pages and slots. A page holds the states of one group: state by state, keys [kvHeads, pageTokens, keyWidth], then values
 * [kvHeads, pageTokens, valueWidth], with the vectors of one head one after another, so that attention reads a head's keys as one stream.
 * Widths are keyDim and valueDim rounded up to 4, padded with zeros. A slot holds all slot states of one sequence, one after another, f32.
 */
import type { KvLayout } from '../graph/executor.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { slotStates, stateGroups } from '../graph/state.ts';
import { slotStateBytes } from '../graph/state-sizes.ts';
import { align } from './memory.ts';

export interface StateLayout {
  readonly keyWidth: number;
  readonly valueWidth: number;
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

/** Elements from one vector of a head to the next. */
export function paddedWidth(headDim: number): number {
  return Math.ceil(headDim / 4) * 4;
}

export function layOutPages({ states: all }: Pick<ModelGraphs, 'states'>, kv: KvLayout): PageLayout {
  const elementBytes = kv.type === 'f16' ? 2 : 4;
  const states = new Map<number, StateLayout>();
  const pageBytes = stateGroups(all).map((group) => {
    let end = 0;
    for (const { index, heads, keyDim, valueDim } of group.states) {
      const [keyWidth, valueWidth] = [paddedWidth(keyDim), paddedWidth(valueDim)];
      const valueOffset = heads * kv.pageTokens * keyWidth * elementBytes;
      states.set(index, { keyWidth, valueWidth, stateOffset: end, valueOffset });
      end += align(valueOffset + heads * kv.pageTokens * valueWidth * elementBytes);
    }
    return end;
  });
  const offsets = new Map<number, number>();
  let slotBytes = 0;
  for (const state of slotStates(all)) {
    offsets.set(state.index, slotBytes);
    slotBytes += align(slotStateBytes(state));
  }
  return { pageBytes, pageTokens: kv.pageTokens, isHalf: kv.type === 'f16', states, slotBytes, slotStates: offsets };
}
