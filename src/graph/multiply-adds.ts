/** What a graph's products with weights take for a row: of experts those that the row goes to, without what attention does with keys. */
import type { Graph } from './graph.ts';
import { usedExperts } from './ops/route.ts';

export interface MultiplyAdds {
  /** Of each row of a step. */
  readonly row: number;
  /** Of each row whose output is wanted: the head's. */
  readonly outRow: number;
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
