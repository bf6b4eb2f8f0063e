/** How large runs of a graph may be. */
import { STEP_LOGITS } from './decoder-steps.ts';
import type { DimSizes } from './dims.ts';
import { isCausal } from './graph.ts';
import type { Graph } from './graph.ts';
import { givenDims, sequenceDim } from './run-check.ts';
import { widthOf } from './value.ts';

/** Runs that keep hidden states work on this many rows at a time: their activations are those of all layers. */
const TAP_ROWS = 64;

/**
 * Sizes that a run may have: those of the caller, and as many rows of an output as its memory has room for.
 * @param leastOutRows rows of an output that there is always room for, however wide they are
 */
export function largestSizes(graph: Graph, sizes: DimSizes, leastOutRows = 1): DimSizes {
  const most = Math.max(...Object.values(sizes));
  return Object.fromEntries(givenDims(graph).map((dim) => {
    const outputs = [...graph.outputs.values()].filter(({ shape }) => shape[0] === dim);
    const widest = Math.max(1, ...outputs.map((value) => widthOf(value)));
    return [dim, sizes[dim] ?? Math.min(most, Math.max(leastOutRows, Math.floor(STEP_LOGITS / widest)))];
  }));
}

/** Runs with taps have fewer rows, where a sequence may be cut. */
export function tapSizes(graph: Graph, limits: DimSizes): DimSizes {
  const ofSequences = sequenceDim(graph);
  // A sound is heard as a whole: what follows from its rows cannot be cut.
  if (ofSequences === undefined || !givenDims(graph).includes(ofSequences) || !isCausal(graph)) return limits;
  return Object.fromEntries(Object.entries(limits).map(([dim, size]) => [dim, Math.min(size, TAP_ROWS)]));
}
