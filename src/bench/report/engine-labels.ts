/** What engines are called in a report. */
import { occasionOf } from '../occasion.ts';
import type { ResultRow } from '../read-results.ts';

/** What makes figures of one engine on one device different ones: its backend (`CUDA` of `CUDA (NVIDIA H200)`), keys' and values' type. */
export function settingsOf({ engine, flags }: ResultRow): readonly string[] {
  return [engine.device.replace(/ \(.*$/, ''), flags['kv'] === undefined ? '' : `keys and values in ${flags['kv']}`];
}

/** What tells engines apart in a chart: the name, and as much more as these rows need. */
export function labelsOf(rows: readonly ResultRow[]): (row: ResultRow) => string {
  const keyOf = (row: ResultRow, setting: number) => `${row.engine.name}|${occasionOf(row)}|${setting}`;
  const found = new Map<string, Set<string>>();
  for (const row of rows) {
    for (const [i, setting] of settingsOf(row).entries())
      found.set(keyOf(row, i), (found.get(keyOf(row, i)) ?? new Set()).add(setting));
  }
  return (row) => {
    const told = settingsOf(row).filter((setting, i) => setting !== '' && found.get(keyOf(row, i))!.size > 1);
    return `${row.engine.name}${told.length === 0 ? '' : ` (${told.join(', ')})`}`;
  };
}
