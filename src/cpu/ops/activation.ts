import { ACTIVATIONS, printClamp } from '../../graph/ops/activation.ts';
import type { ActivationName, ActivationOp, GateClamp } from '../../graph/ops/activation.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { writeRows } from '../cpu-op-rules.ts';
import type { RecordWriter } from '../record-writer.ts';

/** A function's number in `assembly/activation.ts`. */
export function activationCode(fn: ActivationName): number {
  return ACTIVATIONS.indexOf(fn);
}

/** The bounds of a gate as records have them. */
export function writeClamp(out: RecordWriter, clamp: GateClamp | undefined): void {
  out.float(clamp?.limit ?? 0);
  out.float(clamp?.offset ?? 0);
}

export const activationRules: CpuOpRules<ActivationOp> = {
  code: 5,
  describe: ({ fn, clamp }) => `${fn}${printClamp(clamp)}`,
  write(out, step, at) {
    writeRows(out, step, at, activationCode(step.op.fn));
    writeClamp(out, step.op.clamp);
  },
};

export const lowerActivation: Lower<ActivationOp, ActivationOp> = ({ op }) => ({ op });
