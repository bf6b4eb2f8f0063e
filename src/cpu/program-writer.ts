/** Writes the steps of a plan as the records that the threads interpret (`assembly/step-records.ts` has their fields). */
import type { Plan } from '../graph/plan.ts';
import type { Dim } from '../graph/value.ts';
import type { Addresses } from './cpu-op-rules.ts';
import type { CpuValue } from './cpu-value.ts';
import { cpuRulesOf } from './ops/index.ts';
import type { CpuOp } from './ops/index.ts';
import { createRecordWriter } from './record-writer.ts';

export function writeProgram(plan: Plan<CpuOp, CpuValue>, at: Addresses): Uint32Array {
  const out = createRecordWriter();
  for (const step of plan.steps) {
    const { code, write } = cpuRulesOf(step.op);
    const begin = out.length;
    out.ints(code, 0, at.dim((step.outputs[0] ?? step.inputs[0])?.shape[0] as Dim));
    write(out, step, at);
    out.patch(begin + 1, (out.length - begin) * 4);
  }
  return out.toWords();
}
