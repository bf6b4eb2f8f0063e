/** Functions of single values, alone or as gates; the product of two values is a gate of itself. */
import type { OpRules, OpSink } from '../op-rules.ts';
import type { Value } from '../value.ts';

/**
 * The functions by name; `leakyX` is x above 0 and that part of x below (leaky ReLU, Maas et al. 2013). Each
 * room has a table of them: `reference/`, `cpu/assembly/` and `gpu/wgsl/activation*`.
 */
export const ACTIVATIONS = [
  'silu', 'geluTanh', 'gelu', 'identity', 'sigmoid', 'quickGelu', 'tanh', 'relu', 'leakyFifth', 'leakyTenth', 'leakyHundredth',
] as const;
export type ActivationName = (typeof ACTIVATIONS)[number];

/** Bounds of a gated unit (gpt-oss): y = f(min(gate, limit)) * (min(max(up, -limit), limit) + offset). */
export interface GateClamp {
  readonly limit: number;
  readonly offset: number;
}

/** y = f(x), or with two inputs y = f(gate) * up (gated units, Shazeer 2020). Inputs: x, or gate and up, [rows, n]. */
export interface ActivationOp {
  readonly kind: 'activation';
  readonly fn: ActivationName;
  /** Of a gate; a room that makes the gate in one step with its products obeys it or leaves the gate alone. */
  readonly clamp?: GateClamp | undefined;
}

export function activation(g: OpSink<ActivationOp>, name: string, fn: ActivationName, x: Value): Value {
  return g.op(name, { kind: 'activation', fn }, [x]);
}

/** y = f(gate) * up. */
export function gated(g: OpSink<ActivationOp>, name: string, fn: ActivationName, gateAndUp: readonly [Value, Value]): Value {
  return g.op(name, { kind: 'activation', fn }, gateAndUp);
}

/** y = f(min(gate, limit)) * (min(max(up, -limit), limit) + offset). */
export function clampedGate(
  g: OpSink<ActivationOp>, name: string, { fn, clamp }: Required<Omit<ActivationOp, 'kind'>>, gateAndUp: readonly [Value, Value],
): Value {
  return g.op(name, { kind: 'activation', fn, clamp }, gateAndUp);
}

/** y = a * b. */
export function multiply(g: OpSink<ActivationOp>, name: string, a: Value, b: Value): Value {
  return gated(g, name, 'identity', [a, b]);
}

/** As a printed graph or plan shows it after the function. */
export function printClamp(clamp: GateClamp | undefined): string {
  return clamp === undefined ? '' : ` limit=${clamp.limit} offset=${clamp.offset}`;
}

export const activationRules: OpRules<ActivationOp> = {
  weights: () => [],
  shape({ clamp }, [x, up], check) {
    const { outer, width } = check.rowsOf(x);
    if (clamp !== undefined && (up === undefined || !(clamp.limit > 0))) check.fail('bounds above 0 of a gate', printClamp(clamp));
    if (up !== undefined) check.shape('second input', up.shape, [outer, width]);
    return [outer, width];
  },
  print: ({ fn, clamp }) => `${fn}${printClamp(clamp)}`,
};
