/** The executor's own op: floats to int8 codes with scales, for products with quantised weights. */
import type { CpuOpRules } from '../cpu-op-rules.ts';
import { writeRows } from '../cpu-op-rules.ts';

export interface QuantizeStepOp {
  readonly kind: 'quantize';
}

export const quantizeRules: CpuOpRules<QuantizeStepOp> = { code: 3, describe: () => '', write: writeRows };
