import type { RouteOp as GraphRouteOp } from '../../graph/ops/route.ts';
import { routeRules as graphRules } from '../../graph/ops/route.ts';
import type { WeightRef } from '../../graph/value.ts';
import { widthOf } from '../../graph/value.ts';
import { routeKernel, routeWorkgroups } from '../kernels/route/route.ts';
import type { GpuOpRules, Lower } from '../plan/gpu-op-rules.ts';
import type { GpuValue } from '../plan/gpu-value.ts';
import type { PlannedVector } from '../plan/planned-weights.ts';
import { floatsRef, vectorRef } from '../plan/value-refs.ts';
import { rowUse } from './row-use.ts';

/** Input: logits. Output: routes. */
export interface RouteOp extends GraphRouteOp {
  /**
   * The logits have one more column, of an expert that all rows go to: its weight is the sigmoid of that, and it is the last of a row's
   * experts and of all.
   */
  readonly shared: boolean;
  /** Of all logits, above 0. */
  readonly logitScale: number;
}

/** Invocations of a row's workgroup: its experts, in powers of two up to this many. */
const MOST_INVOCATIONS = 256;

function invocationsFor(experts: number): number {
  return Math.min(MOST_INVOCATIONS, Math.max(32, 2 ** Math.ceil(Math.log2(experts))));
}

function ofExperts(weight: WeightRef | undefined): PlannedVector | undefined {
  return weight && { key: weight.id, parts: [{ weight, length: weight.shape[0] as number }] };
}

export const routeRules: GpuOpRules<RouteOp> = {
  describe: (op) => `${graphRules.print?.(op) ?? ''}${op.shared ? ' +shared' : ''}${op.logitScale === 1 ? '' : ` logits*${op.logitScale}`}`,
  vectors: ({ selectionBias, expertScale }) => [ofExperts(selectionBias), ofExperts(expertScale)],
  uses(step, _, { single }) {
    const { used, scores, selectionBias, normalise, scale, expertScale, shared, logitScale } = step.op;
    const [logits] = step.inputs as readonly [GpuValue];
    const experts = widthOf(logits) - (shared ? 1 : 0);
    const variant = {
      experts, used, scores, normalise, scale, selectionBias: selectionBias !== undefined, expertScale: expertScale !== undefined, single,
      ...(shared && { shared }), ...(logitScale !== 1 && { logitScale }),
      invocations: invocationsFor(experts),
    };
    return rowUse(step, {
      kernel: routeKernel(variant),
      buffers: {
        logits: floatsRef(logits),
        ...(selectionBias ? { selectionBias: vectorRef(selectionBias.id) } : {}),
        ...(expertScale ? { expertScale: vectorRef(expertScale.id) } : {}),
      },
      workgroups: (rows) => routeWorkgroups(variant, rows),
    });
  },
};

export const lowerRoute: Lower<GraphRouteOp, RouteOp> = ({ op }) => ({ op: { ...op, shared: false, logitScale: 1 } });
