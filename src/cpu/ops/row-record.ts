/** The record that ops on single values share (`RowRecord`): one or two inputs, one output, and a word of their own. */
import { widthOf } from '../../graph/value.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { Addresses } from '../cpu-op-rules.ts';
import type { CpuStepOf, CpuValue } from '../cpu-value.ts';
import type { RecordWriter } from '../record-writer.ts';

export function writeRows(out: RecordWriter, { inputs, outputs }: CpuStepOf<{ readonly kind: string }>, at: Addresses, word = 0): void {
  out.ints(...rowsAt(at, inputs[0]), ...rowsAt(at, inputs[1]), ...rowsAt(at, outputs[0]), widthOf(outputs[0] as CpuValue), word);
}
