/** From rows of results to what a report shows: charts, tables and what was run with which settings. Pure; the page draws. */
import { driftOf, medianInterval } from '../noise.ts';
import type { Interval } from '../noise.ts';
import type { ResultRow } from '../read-results.ts';
import { isMoreBetter } from '../task.ts';
import { deviceOf, labelsOf, settingsOf } from './engine-labels.ts';
import { LINES } from './line-charts.ts';
import { qualityCharts } from './quality-chart.ts';
import { rooflineOf } from './roofline.ts';
import type { Roofline } from './roofline.ts';
import type { Chart, Point } from './chart.ts';

export interface FigureLine extends Interval {
  readonly model: string;
  readonly device: string;
  readonly engine: string;
  readonly measure: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
  readonly share?: number | undefined;
  /** How far it moved within its runs, where that is more than noise. */
  readonly drift?: number | undefined;
}

export interface ReportData {
  readonly charts: readonly Chart[];
  readonly roofline: Roofline | undefined;
  readonly figures: readonly FigureLine[];
  /** What ran: a line for each engine and model, with all that may change a figure. */
  readonly configurations: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

export const CONFIGURATION_HEAD = [
  'engine',
  'version',
  'device',
  'model',
  'sha256',
  'settings',
  'machine',
  'commit',
  'from',
  'to',
] as const;

/** @param published rows of others that are to stand beside; see `published-points.ts` */
export function reportData(all: readonly ResultRow[], notes: readonly string[], published: readonly Point[] = []): ReportData {
  const rows = quoted(all);
  return {
    charts: chartsOf(rows, published).filter(({ points }) => points.length > 0),
    roofline: rooflineOf(rows),
    figures: rows.map(figureOf),
    configurations: configurationsOf(all),
    notes,
  };
}

/** An engine's best batch size is what is quoted, and said; of one figure measured twice, the later. */
function quoted(rows: readonly ResultRow[]): ResultRow[] {
  const keyOf = (row: ResultRow) =>
    [row.model.sha256 ?? row.model.file, deviceOf(row), row.engine.name, ...settingsOf(row), row.measure].join('|');
  const latest = new Map(rows.map((row) => [`${keyOf(row)}|${row.flags['batchSize']}`, row]));
  const best = new Map<string, ResultRow>();
  for (const row of latest.values()) {
    const other = best.get(keyOf(row));
    const isBetter = other === undefined || (isMoreBetter(row.unit) ? row.median >= other.median : row.median <= other.median);
    if (isBetter) best.set(keyOf(row), row);
  }
  return [...best.values()];
}

function figureOf(row: ResultRow): FigureLine {
  const { model, engine, measure, unit, median, min, max, runs, limit } = row;
  return {
    model: model.file,
    device: deviceOf(row),
    engine: engine.name,
    measure,
    unit,
    median,
    min,
    max,
    runs: runs.length,
    share: limit?.share ?? undefined,
    drift: driftOf(runs),
    ...medianInterval(runs),
  };
}

function pointOf(row: ResultRow, x: number | string, engine: string): Point {
  const { model, median, runs, limit } = row;
  return { engine, model: model.file, x, y: median, share: limit?.share ?? undefined, ...medianInterval(runs) };
}

function chartsOf(rows: readonly ResultRow[], published: readonly Point[]): Chart[] {
  const labelOf = labelsOf(rows);
  const bars = barMeasures(rows).map((measure): Chart => {
    const found = rows.filter((row) => row.measure === measure);
    const unit = found[0]!.unit;
    return {
      id: measure.replaceAll(/[^a-z0-9]+/gi, '-'),
      title: titleOf(measure),
      unit,
      kind: 'bars',
      xLabel: '',
      isLogX: false,
      note:
        isMoreBetter(unit)
          ? 'Longer is better. Lines: the 95% interval of the median.'
          : 'Shorter is better. Lines: the 95% interval of the median.',
      points: [...found.map((row) => pointOf(row, measure, labelOf(row))), ...published.filter(({ x }) => isSameKind(String(x), measure))],
    };
  });
  const lines = LINES.map((rule): Chart => {
    const found = rows.flatMap((row) => {
      const x = rule.measure.exec(row.measure)?.[1];
      return x === undefined ? [] : [pointOf(row, Number(x), labelOf(row))];
    });
    const { id, title, note, unit, xLabel, isLogX } = rule;
    // One place on the axis is a bar that stands above already.
    const isLine = new Set(found.map(({ x }) => x)).size > 1;
    return {
      id,
      title,
      note,
      unit,
      xLabel,
      isLogX,
      kind: 'lines',
      points: isLine ? found.sort((a, b) => Number(a.x) - Number(b.x)) : [],
    };
  });
  return [...bars, ...lines, ...qualityCharts(rows, labelOf), driftChart(rows)];
}

/** A published `decode` stands beside decoding after a short prompt, `prefill 512` beside itself. */
const isSameKind = (published: string, measure: string) =>
  published === measure || (published === 'decode' && /^decode \d+ after (\d{1,3})$/.test(measure));

/** Measures that are bars, in their order. Those with a number are lines too, where there are several. */
const BARS = [
  /^decode \d+ after \d+$/, /^decode \d+ after \d+, .* busy$/, /^decode (in a JSON schema|free, as many tokens)$/, /^prefill \d+$/,
  /^TTFT of all .*$/, /^TTFT \d+$/, /^first token in a JSON schema$/, /^picture of .*$/, /^(hearing|speaking).*$/,
  /^load( and first request)?$/,
];

function barMeasures(rows: readonly ResultRow[]): string[] {
  const placeOf = (measure: string) => BARS.findIndex((pattern) => pattern.test(measure));
  const found = [...new Set(rows.map(({ measure }) => measure))].filter((measure) => placeOf(measure) >= 0);
  const sizeOf = (measure: string) => Number(/(\d+)$/.exec(measure)?.[1] ?? 0);
  return found.sort((a, b) => placeOf(a) - placeOf(b) || sizeOf(a) - sizeOf(b));
}

function titleOf(measure: string): string {
  const decode = /^decode (\d+) after (\d+)$/.exec(measure);
  if (decode !== null) return `Decode after ${Number(decode[2]).toLocaleString('en-US')} tokens`;
  const prefill = /^prefill (\d+)$/.exec(measure);
  if (prefill !== null) return `Prefill of ${Number(prefill[1]).toLocaleString('en-US')} tokens`;
  const first = /^TTFT (\d+)$/.exec(measure);
  return first === null ? measure[0]!.toUpperCase() + measure.slice(1) : `Time to the first token of a prompt of ${first[1]}`;
}

/** Runs in their order over the median: what heats up, or is throttled, goes one way. */
function driftChart(rows: readonly ResultRow[]): Chart {
  const labelOf = labelsOf(rows);
  const long = rows.filter(({ runs }) => runs.length >= 6);
  const points = long.flatMap((row) =>
    row.runs.map((run, i): Point => {
      const y = run / row.median;
      return { engine: `${labelOf(row)}: ${row.measure}`, model: row.model.file, x: i + 1, y, low: y, high: y };
    }),
  );
  return {
    id: 'drift',
    title: 'Runs in their order',
    note: 'Each run over the median of its figure. A line that leans has drifted.',
    unit: 'of the median',
    kind: 'lines',
    xLabel: 'run',
    isLogX: false,
    points,
  };
}

function configurationsOf(rows: readonly ResultRow[]): string[][] {
  const lines = new Map<string, { cells: string[]; from: string; to: string }>();
  for (const row of rows) {
    const { engine, model, flags, machine, commit, time } = row;
    const settings = Object.entries(flags)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
    const where = [machine.cpu, machine.cores === undefined ? undefined : `${machine.cores} cores`, machine.os]
      .filter(Boolean)
      .join(', ');
    const driver = row.device?.adapter?.description;
    const device = [engine.device, driver].filter(Boolean).join('; ');
    const cells = [engine.name, engine.version, device, model.file, model.sha256?.slice(0, 12) ?? '', settings, where, commit ?? ''];
    const key = cells.join('|');
    const line = lines.get(key) ?? { cells, from: time, to: time };
    lines.set(key, { cells, from: line.from < time ? line.from : time, to: line.to > time ? line.to : time });
  }
  const short = (time: string) => time.slice(0, 16).replace('T', ' ');
  return [...lines.values()].map(({ cells, from, to }) => [...cells, short(from), short(to)]);
}
