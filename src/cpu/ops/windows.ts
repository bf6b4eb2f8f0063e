import type { WindowsOp } from '../../graph/ops/windows.ts';
import { windowsRules as graphRules } from '../../graph/ops/windows.ts';
import type { Dim } from '../../graph/value.ts';
import { widthOf } from '../../graph/value.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { Addresses, CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuStepOf, CpuValue } from '../cpu-value.ts';
import type { RecordWriter } from '../record-writer.ts';

/** The fields that ops over windows of rows share (`WindowsRecord`). */
export function writeWindows(
  out: RecordWriter, { op, inputs: [x], outputs }: CpuStepOf<Omit<WindowsOp, 'kind'> & { readonly kind: string }>, at: Addresses,
): void {
  out.ints(op.taps, op.stride, op.dilation, op.before, at.dim(x?.shape[0] as Dim), widthOf(x as CpuValue));
  out.ints(...rowsAt(at, x), ...rowsAt(at, outputs[0]));
}

export const windowsRules: CpuOpRules<WindowsOp> = {
  code: 26,
  describe: (op) => graphRules.print?.(op) ?? '',
  write: writeWindows,
};

export const lowerWindows: Lower<WindowsOp, WindowsOp> = ({ op }) => ({ op });
