/** Rows of a table. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value, WeightRef } from '../value.ts';

/** y[r] = scale * weight[tokens[r]]. Inputs: tokens [rows], i32. Weight [vocab, width]. */
export interface EmbedOp {
  readonly kind: 'embed';
  readonly weight: WeightRef;
  readonly scale: number;
}

export function embed(g: OpSink<EmbedOp>, name: string, tokens: Value, weight: WeightRef, scale = 1): Value {
  return g.op(name, { kind: 'embed', weight, scale }, [tokens]);
}

export const embedRules: OpRules<EmbedOp> = {
  weights: ({ weight }) => [weight],
  shape({ weight }, [tokens], check) {
    const [outer = 0] = tokens?.shape ?? [];
    if (tokens?.dtype !== 'i32' || tokens.shape.length !== 1)
      check.fail('tokens of shape [rows] and type i32', `${tokens?.dtype} ${String(tokens?.shape)}`);
    if (weight.shape.length !== 2) check.fail(`weight ${weight.id} of shape [vocab, width]`, String(weight.shape));
    return [outer, weight.shape[1] as number];
  },
  print: ({ scale }) => (scale === 1 ? '' : `scale=${scale}`),
};
