import { ACTIVATIONS } from '../../graph/ops/activation.ts';
import type { ActivationName, ActivationOp } from '../../graph/ops/activation.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { writeRows } from '../cpu-op-rules.ts';

/** A function's number in `assembly/activation.ts`. */
export function activationCode(fn: ActivationName): number {
  return ACTIVATIONS.indexOf(fn);
}

export const activationRules: CpuOpRules<ActivationOp> = {
  code: 5,
  describe: ({ fn }) => fn,
  write: (out, step, at) => writeRows(out, step, at, activationCode(step.op.fn)),
};

export const lowerActivation: Lower<ActivationOp, ActivationOp> = ({ op }) => ({ op });
