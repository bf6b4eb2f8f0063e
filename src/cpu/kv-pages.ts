/**
 * Layout of a KV page: state by state, keys then values, each [kvHeads, pageTokens, width] with the vectors of one head one
 * after another, so that attention reads a head's keys as one stream. `width` is headDim rounded up to 4, padded with zeros.
 */
import type { KvLayout } from '../graph/executor.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import { align } from './memory.ts';

export interface StateLayout {
  readonly width: number;
  /** Offset of the keys in a page, and from the keys to the values. */
  readonly stateOffset: number;
  readonly valueOffset: number;
}

export interface PageLayout {
  readonly pageBytes: number;
  readonly pageTokens: number;
  readonly isHalf: boolean;
  readonly states: readonly StateLayout[];
}

export function layOutPages({ states: all }: Pick<ModelGraphs, 'states'>, kv: KvLayout): PageLayout {
  const elementBytes = kv.type === 'f16' ? 2 : 4;
  let pageBytes = 0;
  const states = all.map(({ heads: kvHeads, keyDim: headDim }) => {
    const width = Math.ceil(headDim / 4) * 4;
    const valueOffset = kvHeads * kv.pageTokens * width * elementBytes;
    const stateOffset = pageBytes;
    pageBytes += align(2 * valueOffset);
    return { width, stateOffset, valueOffset };
  });
  return { pageBytes, pageTokens: kv.pageTokens, isHalf: kv.type === 'f16', states };
}
