/**
 * Layout of KV pages and slots. A page holds the states of one group: state by state, keys [kvHeads, pageTokens, keyWidth], then values
 * [kvHeads, pageTokens, valueWidth], with the vectors of one head one after another, so that attention reads a head's keys as one stream.
 * Widths are keyDim and valueDim rounded up to 4 for floats, padded with zeros, and to whole groups for codes, whose vectors are as
 * graph/kv-types.ts has them; f16 values lie in pairs (assembly/kv-element.ts). A slot holds all slot states of one sequence, one after
 * another, f32.
 */
import type { KvLayout } from '../graph/executor.ts';
import { KV_RECORDS, kvGroups, kvVectorBytes } from '../graph/kv-types.ts';
import type { KvType } from '../graph/kv-types.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { slotStates, stateGroups } from '../graph/state.ts';
import { slotStateBytes } from '../graph/state-sizes.ts';
import { align } from './memory.ts';

/** One head's key, or its value, at one position. */
export interface VectorLayout {
  readonly type: KvType;
  /** Values, with the pad. */
  readonly width: number;
  readonly bytes: number;
}

export interface StateLayout {
  readonly key: VectorLayout;
  readonly value: VectorLayout;
  /** Offset of the keys in a page, and from the keys to the values. */
  readonly stateOffset: number;
  readonly valueOffset: number;
}

export interface PageLayout {
  /** Bytes of a page, by group. */
  readonly pageBytes: readonly number[];
  readonly pageTokens: number;
  /** By index of the paged state. */
  readonly states: ReadonlyMap<number, StateLayout>;
  readonly slotBytes: number;
  /** Offset in a slot, by index of the slot state. */
  readonly slotStates: ReadonlyMap<number, number>;
}

/** No vector of a head is wider. */
export function mostWidth(headDim: number): number {
  return Math.ceil(headDim / 16) * 16;
}

function layOutVector(type: KvType, headDim: number): VectorLayout {
  const { bits, group } = KV_RECORDS[type];
  if (group !== undefined) return { type, width: kvGroups(type, headDim) * group.values, bytes: kvVectorBytes(type, headDim) };
  const width = Math.ceil(headDim / 4) * 4;
  return { type, width, bytes: (width * bits) / 8 };
}

export function layOutPages({ states: all }: Pick<ModelGraphs, 'states'>, kv: KvLayout): PageLayout {
  const { type, valueType = type } = kv;
  const states = new Map<number, StateLayout>();
  const pageBytes = stateGroups(all).map((group) => {
    let end = 0;
    for (const { index, heads, keyDim, valueDim } of group.states) {
      const [key, value] = [layOutVector(type, keyDim), layOutVector(valueType, valueDim)];
      const valueOffset = heads * kv.pageTokens * key.bytes;
      states.set(index, { key, value, stateOffset: end, valueOffset });
      end += align(valueOffset + heads * kv.pageTokens * value.bytes);
    }
    return end;
  });
  const offsets = new Map<number, number>();
  let slotBytes = 0;
  for (const state of slotStates(all)) {
    offsets.set(state.index, slotBytes);
    slotBytes += align(slotStateBytes(state));
  }
  return { pageBytes, pageTokens: kv.pageTokens, states, slotBytes, slotStates: offsets };
}
