import type { DeltaRuleOp } from '../../graph/ops/delta-rule.ts';
import { CapacityError } from '../../tensor/errors.ts';
import type { Lower } from '../plan/gpu-op-rules.ts';

/** @throws CapacityError: there is no kernel yet */
export const lowerDeltaRule: Lower<DeltaRuleOp, never> = ({ label }) => {
  throw new CapacityError(`${label}: the gated delta rule has no GPU kernel yet: load the model on the CPU.`);
};
