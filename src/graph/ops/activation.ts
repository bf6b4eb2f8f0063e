/** Functions of single values, alone or as gates; the product of two values is a gate of itself. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value } from '../value.ts';

/** The functions by name. Each room has a table of them: `reference/`, `cpu/assembly/` and `gpu/wgsl/activation*`. */
export const ACTIVATIONS = ['silu', 'geluTanh', 'gelu', 'identity', 'sigmoid'] as const;
export type ActivationName = (typeof ACTIVATIONS)[number];

/** y = f(x), or with two inputs y = f(gate) * up (gated units, Shazeer 2020). Inputs: x, or gate and up, [rows, n]. */
export interface ActivationOp {
  readonly kind: 'activation';
  readonly fn: ActivationName;
}

export function activation(g: OpSink<ActivationOp>, name: string, fn: ActivationName, x: Value): Value {
  return g.op(name, { kind: 'activation', fn }, [x]);
}

/** y = f(gate) * up. */
export function gated(g: OpSink<ActivationOp>, name: string, fn: ActivationName, gateAndUp: readonly [Value, Value]): Value {
  return g.op(name, { kind: 'activation', fn }, gateAndUp);
}

/** y = a * b. */
export function multiply(g: OpSink<ActivationOp>, name: string, a: Value, b: Value): Value {
  return gated(g, name, 'identity', [a, b]);
}

export const activationRules: OpRules<ActivationOp> = {
  weights: () => [],
  shape(_, [x, up], check) {
    const { outer, width } = check.rowsOf(x);
    if (up !== undefined) check.shape('second input', up.shape, [outer, width]);
    return [outer, width];
  },
  print: ({ fn }) => fn,
};
