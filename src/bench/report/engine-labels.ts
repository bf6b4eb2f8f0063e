/** What engines and devices are called in a report. */
import type { ResultRow } from '../read-results.ts';

export const deviceOf = ({ device, machine }: ResultRow): string => device?.adapter?.device || device?.kind || machine.cpu;

/** How an engine names its backend: `CUDA` of `CUDA (NVIDIA H200)`. */
export const backendOf = ({ engine }: ResultRow) => engine.device.replace(/ \(.*$/, '');

/** What tells engines apart in a chart: the name, and as much more as these rows need. */
export function labelsOf(rows: readonly ResultRow[]): (row: ResultRow) => string {
  const hasManyDevices = new Set(rows.map(deviceOf)).size > 1;
  const backends = new Map<string, Set<string>>();
  const keyOf = (row: ResultRow) => `${row.engine.name}|${deviceOf(row)}`;
  for (const row of rows) backends.set(keyOf(row), (backends.get(keyOf(row)) ?? new Set()).add(backendOf(row)));
  return (row) => {
    const backend = backends.get(keyOf(row))!.size > 1 ? ` (${backendOf(row)})` : '';
    return `${row.engine.name}${backend}${hasManyDevices ? `, ${deviceOf(row)}` : ''}`;
  };
}
