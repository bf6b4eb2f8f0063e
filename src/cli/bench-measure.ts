/** Runs a plan as the command line does: progress, a table, records, Ctrl-C. */
import { NOTHING_FINISHED, mendLastLine, readFinishedWork } from '../bench/finished-work.ts';
import { jsonLines } from '../bench/json-lines.ts';
import type { BenchmarkPlan } from '../bench/plan/plan.ts';
import { runBenchmark } from '../bench/run-benchmark.ts';
import { benchTable } from './bench-table.ts';
import { withInterrupts } from './interrupts.ts';
import { createStatusLine } from './status-line.ts';
import { createTerminal } from './terminal.ts';

export interface MeasureOptions {
  /** Records are appended to it. */
  readonly results: string | undefined;
  /** What stands in it already is not measured again. */
  readonly isResumed: boolean;
}

export async function measurePlan(plan: BenchmarkPlan, { results, isResumed }: MeasureOptions): Promise<void> {
  const status = createStatusLine(createTerminal(process.stderr));
  const mended = results === undefined ? undefined : mendLastLine(results);
  if (mended !== undefined) process.stderr.write(`ingot: ${mended}\n`);
  const table = benchTable(createTerminal(process.stdout));
  const reporters = [
    { ...table, onModelEnd: (...result: Parameters<typeof table.onModelEnd>) => (status.clear(), table.onModelEnd(...result)) },
    ...(results === undefined ? [] : [jsonLines(results)]),
  ];
  const finished = results !== undefined && isResumed ? readFinishedWork(results) : NOTHING_FINISHED;
  try {
    await withInterrupts((signal) => runBenchmark({ plan, finished, reporters, signal, onProgress: status.show }));
  } finally {
    status.clear();
  }
}
