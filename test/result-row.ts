/** Rows of results as `ingot bench --json` writes them, for tests of what reads them. */
import type { ResultRow } from '../src/bench/read-results.ts';
import { summarise } from '../src/bench/statistics.ts';

export function resultRow(measure: string, runs: readonly number[], changes: Partial<ResultRow> = {}): ResultRow {
  return {
    time: '2026-11-30T12:00:00.000Z', workload: 'decode', measure, unit: measure.startsWith('TTFT') ? 'ms' : 'tok/s', commit: 'abc', runs,
    ...summarise(runs), engine: { name: 'ingot', version: '0.1.0', device: 'cpu' }, machine: { cpu: 'a processor' }, flags: {}, limit: null,
    model: { file: 'm.gguf', sizeBytes: 1e9, sha256: 'f00' }, ...changes,
  };
}
