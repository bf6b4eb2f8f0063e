/** What rows of results say of one model on one device by ingot, as it was measured on one occasion. */
import { occasionLabels, occasionOf } from '../occasion.ts';
import type { ResultRow } from '../read-results.ts';
import { isMoreBetter } from '../task.ts';

export interface MeasuredModel {
  readonly file: string;
  readonly sizeBytes: number | null;
  readonly device: string;
  /** What tells it from other occasions of the same model and device: a day, a commit, a machine. Empty where there is one. */
  readonly occasion: string;
  /** As `occasionOf` has it. */
  readonly occasionKey: string;
  readonly kind: string | undefined;
  /** A processor of Apple's, or the CPU: it computes in the machine's own memory. */
  readonly isShared: boolean;
  readonly memoryBytes: number | undefined;
  /** Latest row of each measure, of each way of keeping keys and values. */
  readonly rows: readonly ResultRow[];
}

export const deviceNameOf = ({ device, engine }: ResultRow) => device?.description ?? engine.device;
const placeOf = (row: ResultRow) => `${row.model.sha256 ?? row.model.file}|${deviceNameOf(row)}`;

/** How good a file is, is the same on every day and device: these rows stand for all occasions. */
const QUALITY_UNITS: readonly string[] = ['perplexity', 'nats'];
const QUALITY_MEASURES: readonly string[] = ['tasks answered well', 'same choice as the reference'];
const isQuality = ({ unit, measure }: ResultRow) => QUALITY_UNITS.includes(unit) || QUALITY_MEASURES.includes(measure);

/** In the order in which they first stand. Figures of two occasions are never of one entry, but for those of quality. */
export function measuredModels(all: readonly ResultRow[]): MeasuredModel[] {
  const own = all.filter(({ engine }) => engine.name === 'ingot');
  const places = new Map<string, ResultRow[]>();
  for (const row of own) places.set(placeOf(row), [...(places.get(placeOf(row)) ?? []), row]);
  return [...places.values()].flatMap((found) => {
    const quality = found.filter(isQuality);
    const speeds = found.filter((row) => !isQuality(row));
    const occasions = new Map<string, ResultRow[]>();
    for (const row of speeds) occasions.set(occasionOf(row), [...(occasions.get(occasionOf(row)) ?? []), row]);
    if (speeds.length === 0) return [modelOf(quality, '')];
    const labelOf = occasionLabels(speeds);
    return [...occasions.values()].map((rows) => modelOf([...quality, ...rows], labelOf(rows[0]!)));
  });
}

function modelOf(all: readonly ResultRow[], occasion: string): MeasuredModel {
  const rows = [...new Map(all.map((row) => [`${row.measure}|${row.flags['kv']}`, row])).values()];
  const { model, machine, device } = rows.at(-1)!;
  const memoryBytes = machine.memoryGiB === undefined ? undefined : machine.memoryGiB * 2 ** 30;
  const isShared = device?.kind !== 'gpu' || device.adapter?.vendor === 'apple';
  return {
    file: model.file, sizeBytes: model.sizeBytes, device: deviceNameOf(rows.at(-1)!), occasion, occasionKey: occasionOf(rows.at(-1)!),
    kind: device?.kind, isShared, memoryBytes, rows,
  };
}

export const isBetter = (a: ResultRow, b: ResultRow) => (isMoreBetter(a.unit) ? a.median > b.median : a.median < b.median);

/** A measure whose name has a number: its rows in the order of that, best of several settings. */
export function series({ rows }: Pick<MeasuredModel, 'rows'>, measure: RegExp): { readonly x: number; readonly row: ResultRow }[] {
  const best = new Map<number, ResultRow>();
  for (const row of rows) {
    const x = Number(measure.exec(row.measure)?.[1] ?? Number.NaN);
    const other = best.get(x);
    if (!Number.isNaN(x) && (other === undefined || isBetter(row, other))) best.set(x, row);
  }
  return [...best].sort(([a], [b]) => a - b).map(([x, row]) => ({ x, row }));
}

export const DECODE = /^decode \d+ after (\d+)$/;
export const STREAM_DECODE = /^(\d+) streams?, decode$/;

export const TTFT = /^TTFT (\d+)$/;
export const PREFILL = /^prefill (\d+)$/;
/** Shorter prompts take what every call does, and tell nothing of longer ones. */
export const TELLING_TOKENS = 128;

/** Another device, or engine, is named where it is faster by more than noise from day to day. */
export const CLEARLY = 1.05;

/** For people: three digits. */
export const figureText = (value: number) => (value >= 100 ? String(Math.round(value)) : value.toPrecision(3));
export const rateText = (value: number) => `${figureText(value)} tokens/s`;

export const measuresOf = ({ rows }: Pick<MeasuredModel, 'rows'>) => [...new Set(rows.map(({ measure }) => measure))];

/** Of a measure that has a row of each way of keeping keys and values: the best. */
export function bestOf({ rows }: Pick<MeasuredModel, 'rows'>, measure: string): ResultRow | undefined {
  const found = rows.filter((row) => row.measure === measure);
  return found.reduce<ResultRow | undefined>((best, row) => (best === undefined || isBetter(row, best) ? row : best), undefined);
}

export const medianOf = (model: Pick<MeasuredModel, 'rows'>, measure: string) => bestOf(model, measure)?.median;

/** Decode after the fewest tokens that were measured. */
export const decodeOf = (model: Pick<MeasuredModel, 'rows'>) => series(model, DECODE)[0]?.row;
