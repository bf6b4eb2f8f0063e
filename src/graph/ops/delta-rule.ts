/** The gated delta rule: a memory of each head that every row decays, corrects where its key points, and reads where its query does. */
import type { OpRules, OpSink } from '../op-rules.ts';
import { stateName } from '../state.ts';
import type { SlotState } from '../state.ts';
import type { Value, WeightRef } from '../value.ts';

/** Beside the sum of squares of a query or key. */
export const DELTA_RULE_EPS = 1e-6;

/** Which key head a value head has: floor(h / (valueHeads / keyHeads)), or h % keyHeads. */
export const KEY_HEAD_MAPS = ['grouped', 'tiled'] as const;
export type KeyHeadMap = (typeof KEY_HEAD_MAPS)[number];

/**
 * Gated DeltaNet (Yang, Kautz and Hatamizadeh 2024), as Qwen3.5 has it. Every value head has a state S [valueDim, keyDim], zeros before the
 * first token, and for each row, with its key head's q and k,
 *     q = q / sqrt(sum(q^2) + 1e-6) / sqrt(keyDim),  k = k / sqrt(sum(k^2) + 1e-6),
 *     S = exp(decay * softplus(a + dtBias)) * S,
 *     S = S + sigmoid(b) * (v - S k) k^T,
 *     y = S q.
 * Inputs: qkv [rows, 2 * keyHeads * keyDim + valueHeads * valueDim], the queries of all heads, then keys, then values; a and b
 * [rows, valueHeads]. Output [rows, valueHeads * valueDim].
 */
export interface DeltaRuleOp {
  readonly kind: 'deltaRule';
  /** [valueHeads], below 0: minus the rate of decay. */
  readonly decay: WeightRef;
  /** [valueHeads]. */
  readonly dtBias: WeightRef;
  readonly keyHeads: number;
  /** A multiple of keyHeads. */
  readonly valueHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  readonly keyHeadMap: KeyHeadMap;
  /** [valueHeads, valueDim, keyDim]: S of each head, so that what a key multiplies lies together. */
  readonly state: SlotState;
}

export type DeltaRuleFields = Omit<DeltaRuleOp, 'kind'>;

export function deltaRule(
  g: OpSink<DeltaRuleOp>,
  name: string,
  qkvAndGates: readonly [qkv: Value, a: Value, b: Value],
  fields: DeltaRuleFields,
): Value {
  return g.op(name, { kind: 'deltaRule', ...fields }, qkvAndGates);
}

/** The key head of a value head. */
export function keyHeadOf({ keyHeads, valueHeads, keyHeadMap }: DeltaRuleOp, valueHead: number): number {
  return keyHeadMap === 'tiled' ? valueHead % keyHeads : Math.floor((valueHead * keyHeads) / valueHeads);
}

export const deltaRuleRules: OpRules<DeltaRuleOp> = {
  weights: ({ decay, dtBias }) => [decay, dtBias],
  states: ({ state }) => [state],
  shape({ decay, dtBias, keyHeads, valueHeads, keyDim, valueDim, state }, [qkv, a, b], check) {
    const { outer } = check.rowsOf(qkv);
    if (valueHeads % keyHeads !== 0) check.fail(`value heads that are a multiple of ${keyHeads} key heads`, String(valueHeads));
    check.shape('qkv', qkv?.shape ?? [], [outer, 2 * keyHeads * keyDim + valueHeads * valueDim]);
    check.shape('a', a?.shape ?? [], [outer, valueHeads]);
    check.shape('b', b?.shape ?? [], [outer, valueHeads]);
    check.shape('decay', decay.shape, [valueHeads]);
    check.shape('dtBias', dtBias.shape, [valueHeads]);
    check.shape('state', state.shape, [valueHeads, valueDim, keyDim]);
    return [outer, valueHeads * valueDim];
  },
  print: ({ keyHeads, valueHeads, keyDim, valueDim, keyHeadMap, state }) =>
    `keyHeads=${keyHeads} valueHeads=${valueHeads} keyDim=${keyDim} valueDim=${valueDim} ${keyHeadMap} state=${stateName(state)}`,
};
