/** What rows of results say of one model on one device by ingot. */
import type { ResultRow } from '../read-results.ts';

export interface MeasuredModel {
  readonly file: string;
  readonly sizeBytes: number | null;
  readonly device: string;
  readonly kind: string | undefined;
  /** A processor of Apple's, or the CPU: it computes in the machine's own memory. */
  readonly isShared: boolean;
  readonly memoryBytes: number | undefined;
  /** Latest row of each measure, of each way of keeping keys and values. */
  readonly rows: readonly ResultRow[];
}

export const deviceNameOf = ({ device, engine }: ResultRow) => device?.description ?? engine.device;
const keyOf = (row: ResultRow) => `${row.model.sha256 ?? row.model.file}|${deviceNameOf(row)}`;

/** In the order in which they first stand. */
export function measuredModels(all: readonly ResultRow[]): MeasuredModel[] {
  const groups = new Map<string, Map<string, ResultRow>>();
  for (const row of all) {
    if (row.engine.name !== 'ingot') continue;
    const group = groups.get(keyOf(row)) ?? new Map<string, ResultRow>();
    groups.set(keyOf(row), group.set(`${row.measure}|${row.flags['kv']}`, row));
  }
  return [...groups.values()].map((group): MeasuredModel => {
    const rows = [...group.values()];
    const { model, machine, device } = rows[0]!;
    const memoryBytes = machine.memoryGiB === undefined ? undefined : machine.memoryGiB * 2 ** 30;
    const isShared = device?.kind !== 'gpu' || device.adapter?.vendor === 'apple';
    return {
      file: model.file, sizeBytes: model.sizeBytes, device: deviceNameOf(rows[0]!), kind: device?.kind, isShared, memoryBytes, rows,
    };
  });
}

/** A measure whose name has a number: its rows in the order of that, best of several settings. */
export function series({ rows }: Pick<MeasuredModel, 'rows'>, measure: RegExp): { readonly x: number; readonly row: ResultRow }[] {
  const best = new Map<number, ResultRow>();
  for (const row of rows) {
    const x = Number(measure.exec(row.measure)?.[1] ?? Number.NaN);
    const other = best.get(x);
    if (!Number.isNaN(x) && (other === undefined || row.median > other.median)) best.set(x, row);
  }
  return [...best].sort(([a], [b]) => a - b).map(([x, row]) => ({ x, row }));
}

export const DECODE = /^decode \d+ after (\d+)$/;
export const STREAM_DECODE = /^(\d+) streams?, decode$/;

export const medianOf = ({ rows }: Pick<MeasuredModel, 'rows'>, measure: string) => rows.find((row) => row.measure === measure)?.median;

/** Decode after the fewest tokens that were measured. */
export const decodeOf = (model: Pick<MeasuredModel, 'rows'>) => series(model, DECODE)[0]?.row;
