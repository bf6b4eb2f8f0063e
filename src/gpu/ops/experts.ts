/** Mixtures of experts: no GPU kernels yet. */
import type { ExpertLinearOp } from '../../graph/ops/expert-linear.ts';
import type { ExpertSumOp } from '../../graph/ops/expert-sum.ts';
import type { RouteOp } from '../../graph/ops/route.ts';
import type { ScaleRowsOp } from '../../graph/ops/scale-rows.ts';
import { CapacityError } from '../../tensor/errors.ts';
import type { Lower } from '../plan/gpu-op-rules.ts';

export const refuseExperts: Lower<RouteOp | ExpertLinearOp | ExpertSumOp | ScaleRowsOp, never> = ({ op, label }) => {
  throw new CapacityError(`Mixtures of experts do not run on a GPU yet (${op.kind}, ${label}). Load the model with device "reference".`);
};
