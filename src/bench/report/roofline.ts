/**
 * Speeds beside what memory and arithmetic allow (Williams, Waterman, Patterson: Roofline, 2009): multiply-adds a byte on one axis,
 * multiply-adds a second on the other.
 */
import { deviceOf } from '../occasion.ts';
import type { ResultRow } from '../read-results.ts';

export interface RooflinePoint {
  readonly engine: string;
  readonly model: string;
  readonly measure: string;
  readonly perByte: number;
  readonly perSecond: number;
}

export interface Roof {
  readonly device: string;
  readonly bytesPerSecond: number;
  /** Only where it was stated (`--matrix-rate`). */
  readonly multiplyAddsPerSecond?: number | undefined;
}

export interface Roofline {
  readonly roofs: readonly Roof[];
  readonly points: readonly RooflinePoint[];
}

/** Undefined where no model has both a prompt's figures, which tell products of a token, and bytes. */
export function rooflineOf(rows: readonly ResultRow[]): Roofline | undefined {
  const nameOf = ({ model }: ResultRow) => model.sha256 ?? model.file;
  const products = new Map<string, number>();
  for (const row of rows) if (row.limit?.work === 'multiply-adds per token') products.set(nameOf(row), row.limit.perToken);
  const points = rows.flatMap((row): RooflinePoint[] => {
    const { engine, model, measure, limit, median } = row;
    const perToken = products.get(nameOf(row));
    if (limit === null || perToken === undefined) return [];
    const tokens = Number(/^prefill (\d+)$/.exec(measure)?.[1] ?? 1);
    // A prompt reads the weights once, or once a chunk: what the file has is the least.
    const bytes = limit.work === 'bytes per token' ? limit.perToken : (model.sizeBytes ?? Number.NaN) / tokens;
    const perByte = perToken / bytes;
    return Number.isFinite(perByte) ? [{ engine: engine.name, model: model.file, measure, perByte, perSecond: perToken * median }] : [];
  });
  const roofs = new Map<string, Roof>();
  for (const row of rows) {
    const { device, limit } = row;
    if (device?.copyBytesPerSecond === undefined) continue;
    const name = deviceOf(row);
    const stated = limit?.work === 'multiply-adds per token' ? (limit.limitPerSecond ?? undefined) : undefined;
    roofs.set(name, {
      device: name,
      bytesPerSecond: device.copyBytesPerSecond,
      multiplyAddsPerSecond: stated ?? roofs.get(name)?.multiplyAddsPerSecond,
    });
  }
  return points.length === 0 || roofs.size === 0 ? undefined : { roofs: [...roofs.values()], points };
}
