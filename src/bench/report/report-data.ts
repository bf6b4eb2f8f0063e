/** From rows of results to what a report shows: charts, tables and what was run with which settings. Pure; the page draws. */
import { driftOf, medianInterval } from '../noise.ts';
import type { Interval } from '../noise.ts';
import { judgedBy } from '../judged.ts';
import type { ResultRow } from '../read-results.ts';
import { isMoreBetter } from '../task.ts';
import { dayOf, deviceOf, hasAllRuns, occasionLabels, occasionOf, ofOneSession } from '../occasion.ts';
import { triedSettings } from '../tried-settings.ts';
import { labelsOf, settingsOf } from './engine-labels.ts';
import { LINES } from './line-charts.ts';
import { qualityCharts } from './quality-chart.ts';
import { rooflineOf } from './roofline.ts';
import type { Roofline } from './roofline.ts';
import type { Chart, Point } from './chart.ts';

export interface FigureLine extends Interval {
  readonly model: string;
  readonly device: string;
  readonly day: string;
  readonly commit: string;
  readonly engine: string;
  readonly setting: string;
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

/**
 * Bars that stand together are of one session, as those of the Markdown tables.
 * @param published rows of others that are to stand beside; see `published-points.ts`
 */
export function reportData(all: readonly ResultRow[], notes: readonly string[], published: readonly Point[] = []): ReportData {
  const chosen = new Set(ofOneSession(all, figureKey, isOwn));
  const together = all.filter((row) => chosen.has(row));
  const rows = quoted(together);
  const occasions = occasionLabels(rows);
  const settings = triedSettings(all);
  const settingOf = (row: ResultRow) => settings(row).map(({ words }) => words).join(', ');
  // Where there are several occasions, what others published is one more.
  const isOne = new Set(rows.map(occasionOf)).size === 1;
  const theirs = published.map((point) => ({ ...point, occasion: isOne ? '' : 'elsewhere, published or predicted' }));
  const told: Told = { labelOf: labelsOf(rows), occasionOf: occasions, settingOf };
  return {
    charts: chartsOf(rows, theirs, told).filter(({ points }) => points.length > 0),
    roofline: rooflineOf(rows),
    figures: rows.map((row) => figureOf(row, settingOf(row))),
    configurations: configurationsOf(all),
    notes: [...notes, ...apartNotes(all.length - together.length)],
  };
}

const apartNotes = (count: number) =>
  count === 0 ? [] : [`${count} ${count === 1 ? 'row' : 'rows'} of another session of the same day: figures compare within one session`];

/** A figure on one occasion, whoever's: of a judgement, by one text or set of tasks. */
const figureKey = (row: ResultRow) => [row.model.sha256 ?? row.model.file, occasionOf(row), row.measure, judgedBy(row) ?? ''].join('|');
const isOwn = ({ engine }: ResultRow) => engine.name === 'ingot';

/**
 * An engine's best setting of those tried is what is quoted, and said; of one figure measured twice on one occasion, the later. One that
 * was stopped before all its runs were there gives way to one that was not.
 */
export function quoted(rows: readonly ResultRow[]): ResultRow[] {
  const keyOf = (row: ResultRow) =>
    [figureKey(row), row.engine.name, ...settingsOf(row)].join('|');
  const settingOf = (row: ResultRow) => [keyOf(row), row.flags['batchSize'], row.flags['threads'], row.engine.device].join('|');
  const latest = new Map<string, ResultRow>();
  for (const row of rows) {
    const other = latest.get(settingOf(row));
    if (other === undefined || hasAllRuns(row) || !hasAllRuns(other)) latest.set(settingOf(row), row);
  }
  const best = new Map<string, ResultRow>();
  for (const row of latest.values()) {
    const other = best.get(keyOf(row));
    if (other === undefined || isAsGood(row, other)) best.set(keyOf(row), row);
  }
  return [...best.values()];
}

/** Of one figure: one with all runs is better than one without. */
export function isAsGood(row: ResultRow, other: ResultRow): boolean {
  if (hasAllRuns(row) !== hasAllRuns(other)) return hasAllRuns(row);
  return isMoreBetter(row.unit) ? row.median >= other.median : row.median <= other.median;
}

function figureOf(row: ResultRow, setting: string): FigureLine {
  const { model, engine, measure, unit, median, min, max, runs, limit, commit } = row;
  return {
    model: model.file, device: deviceOf(row), day: dayOf(row), commit: commit ?? '', engine: engine.name, setting, measure, unit, median,
    min, max, runs: runs.length, share: limit?.share ?? undefined, drift: driftOf(runs), ...medianInterval(runs),
  };
}

/** What a report says of a row beside its figure. */
interface Told {
  readonly labelOf: (row: ResultRow) => string;
  readonly occasionOf: (row: ResultRow) => string;
  readonly settingOf: (row: ResultRow) => string;
}

function pointOf(row: ResultRow, x: number | string, { labelOf, occasionOf: of, settingOf }: Told): Point {
  const { model, median, runs, limit } = row;
  return {
    engine: labelOf(row), model: model.file, occasion: of(row), setting: settingOf(row), x, y: median, share: limit?.share ?? undefined,
    ...medianInterval(runs),
  };
}

function chartsOf(rows: readonly ResultRow[], published: readonly Point[], told: Told): Chart[] {
  const bars = barMeasures(rows).map((measure): Chart => {
    const found = rows.filter((row) => row.measure === measure);
    const { unit } = found[0]!;
    const better = isMoreBetter(unit) ? 'Longer is better.' : 'Shorter is better.';
    return {
      id: measure.replaceAll(/[^a-z0-9]+/gi, '-'), title: titleOf(measure), unit, kind: 'bars', xLabel: '', isLogX: false,
      note: `${better} Thin lines: the 95% interval of the median.${limitNote(found)}`,
      points: [...found.map((row) => pointOf(row, measure, told)), ...published.filter(({ x }) => isSameKind(String(x), measure))],
    };
  });
  const lines = LINES.map(({ measure, ...rule }): Chart => {
    const found = rows.flatMap((row) => {
      const x = measure.exec(row.measure)?.[1];
      return x === undefined ? [] : [pointOf(row, Number(x), told)];
    });
    // One place on the axis is a bar that stands above already.
    const placesOf = (point: Point) => new Set(found.filter((other) => isOfOnePlot(point, other)).map(({ x }) => x)).size;
    const points = found.filter((point) => placesOf(point) > 1).sort((a, b) => Number(a.x) - Number(b.x));
    return { ...rule, kind: 'lines', points };
  });
  return [...bars, ...lines, ...qualityCharts(rows, told.labelOf), driftChart(rows, told)];
}

const isOfOnePlot = (a: Point, b: Point) => a.model === b.model && a.occasion === b.occasion;

const LIMIT_NOTE = {
  'bytes per token': ' Of the limit: the bytes that its tokens read, beside what copying reaches on that device.',
  'multiply-adds per token': ' Of the limit: its products, beside the rate that was stated for that device.',
} as const;
function limitNote(rows: readonly ResultRow[]): string {
  const limit = rows.find((row) => row.limit?.share)?.limit;
  return limit ? LIMIT_NOTE[limit.work] : '';
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

export function barMeasures(rows: readonly ResultRow[]): string[] {
  const placeOf = (measure: string) => BARS.findIndex((pattern) => pattern.test(measure));
  const found = [...new Set(rows.map(({ measure }) => measure))].filter((measure) => placeOf(measure) >= 0);
  const sizeOf = (measure: string) => Number(/(\d+)$/.exec(measure)?.[1] ?? 0);
  return found.sort((a, b) => placeOf(a) - placeOf(b) || sizeOf(a) - sizeOf(b));
}

export function titleOf(measure: string): string {
  const decode = /^decode (\d+) after (\d+)$/.exec(measure);
  if (decode !== null) {
    const over = decode[1] === '128' ? '' : `, over ${decode[1]}`;
    return `Decode after ${Number(decode[2]).toLocaleString('en-US')} tokens${over}`;
  }
  const prefill = /^prefill (\d+)$/.exec(measure);
  if (prefill !== null) return `Prefill of ${Number(prefill[1]).toLocaleString('en-US')} tokens`;
  const turns = /^TTFT of all (\d+) turns(.*)$/.exec(measure);
  if (turns !== null) return `Wait for the first tokens of ${turns[1]} turns together${turns[2]}`;
  const first = /^TTFT (\d+)$/.exec(measure);
  return first === null ? measure[0]!.toUpperCase() + measure.slice(1) : `Time to the first token of a prompt of ${first[1]}`;
}

/** Runs in their order over the median: what heats up, or is throttled, goes one way. */
function driftChart(rows: readonly ResultRow[], told: Told): Chart {
  const long = rows.filter(({ runs }) => runs.length >= 6);
  const points = long.flatMap((row) =>
    row.runs.map((run, i): Point => {
      const y = run / row.median;
      return { ...pointOf(row, i + 1, told), engine: `${told.labelOf(row)}: ${row.measure}`, share: undefined, y, low: y, high: y };
    }),
  );
  return {
    id: 'drift', title: 'Runs in their order', note: 'Each run over the median of its figure. A line that leans has drifted.',
    unit: 'of the median', kind: 'lines', xLabel: 'run', isLogX: false, points,
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
