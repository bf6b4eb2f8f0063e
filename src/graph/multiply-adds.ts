/** What a graph's products with weights take for a row: of experts those that the row goes to, without what attention does with keys. */
import { elementsOf } from '../tensor/tensor-type.ts';
import type { DimSizes } from './dims.ts';
import type { Graph } from './graph.ts';
import { usedExperts } from './ops/route.ts';
import type { Dim } from './value.ts';

export interface MultiplyAdds {
  /** Of each row of a step. */
  readonly row: number;
  /** Of each row whose output is wanted: the head's. */
  readonly outRow: number;
}

/** Of each node in a run of a graph without experts whose dims have these sizes, attention over all rows included. */
export function runMultiplyAdds({ nodes }: Pick<Graph, 'nodes'>, sizes: DimSizes): readonly number[] {
  const sizeOf = (dim: Dim | undefined) => (typeof dim === 'string' ? (sizes[dim] ?? 0) : (dim ?? 0));
  return nodes.map(({ op, inputs }) => {
    const rows = sizeOf(inputs[0]?.shape[0]);
    if (op.kind === 'linear') return rows * elementsOf(op.weight.shape);
    return op.kind === 'fullAttention' ? rows * sizeOf(inputs[1]?.shape[0]) * op.heads * (op.keyDim + op.valueDim) : 0;
  });
}

export function multiplyAddsOf({ nodes }: Pick<Graph, 'nodes'>): MultiplyAdds {
  let [row, outRow] = [0, 0];
  for (const { op, inputs, outputs } of nodes) {
    if (op.kind === 'expertLinear') {
      const [, out, cols] = op.weight.shape as readonly [number, number, number];
      row += usedExperts(inputs[1]!) * out * cols;
    } else if (op.kind === 'linear') {
      const [out, cols] = op.weight.shape as readonly [number, number];
      if (outputs[0]!.shape[0] === 'outRows') outRow += out * cols;
      else row += out * cols;
    }
  }
  return { row, outRow };
}
