/** Benchmark results for people: one table for each model, the engines side by side. */
import type { Circumstances, LimitShare, Measurement, Reporter } from '../bench/measurement.ts';
import { isMoreBetter } from '../bench/task.ts';
import { triedSettings } from '../bench/tried-settings.ts';
import { formatBytes } from '../tensor/format-bytes.ts';
import { withThousands } from './quantities.ts';
import type { Terminal } from './terminal.ts';
import { tableLines } from './text-table.ts';

/** Prints when a model is done. */
export function benchTable(terminal: Terminal): Reporter {
  let measurements: TableEntry[] = [];
  return {
    onMeasurement: (measurement) => void measurements.push(measurement),
    onKept: (measurement, day) => void measurements.push({ ...measurement, keptOf: day }),
    onModelEnd(circumstances, notes) {
      const lines = measurements.length === 0 ? noteLines(notes) : benchTableLines(measurements, circumstances, notes);
      if (lines.length > 0) terminal.write(`${lines.join('\n')}\n\n`);
      measurements = [];
    },
  };
}

/** A figure of this session, or of an earlier one, which is said. */
export interface TableEntry extends Measurement {
  /** The day of the session that it was kept of. */
  readonly keptOf?: string | undefined;
}

export function benchTableLines(measurements: readonly TableEntry[], circumstances: Circumstances, notes: readonly string[]): string[] {
  const engines = [...new Set(measurements.map(({ engine }) => engine.name))];
  const measures = [...new Set(measurements.filter(({ isShown }) => isShown).map(({ measure }) => measure))];
  const rivals = engines.filter((name) => name !== 'ingot');
  const head = ['', 'unit', ...engines, ...rivals.map((name) => (rivals.length > 1 ? `against ${name}` : 'ratio')), 'of the limit'];
  const settings = triedSettings(measurements);
  const nameOf = (entry: Measurement) => settings(entry).map(({ short }) => short).join(' ');
  const rows = measures.map((measure) => {
    const best = new Map(
      engines.map((name) => [name, bestOf(measurements.filter((entry) => entry.measure === measure && entry.engine.name === name))]),
    );
    const ingot = best.get('ingot');
    const kept = measurements.find((entry) => entry.measure === measure)?.keptOf;
    return [
      kept === undefined ? measure : `${measure} (kept, ${kept})`,
      [...best.values()].find((entry) => entry !== undefined)!.unit,
      ...engines.map((name) => cell(best.get(name), mostRunsOf(measurements), nameOf)),
      ...rivals.map((name) => ratio(ingot, best.get(name))),
      shareOf(ingot?.limit),
    ];
  });
  const columns = head.map((_, column) => column).slice(2);
  return [...titleLines(measurements, circumstances), '', ...tableLines([head, ...rows], columns), ...noteLines(notes)];
}

const noteLines = (notes: readonly string[]) => notes.map((note) => `note: ${note}`);

const mostRunsOf = (measurements: readonly Measurement[]) => Math.max(0, ...measurements.map(({ runs }) => runs.length));

function titleLines(
  measurements: readonly Measurement[],
  { model, machine, device, commit, warmups, pauseSeconds, isQuick }: Circumstances,
): string[] {
  const runs = mostRunsOf(measurements);
  // One that is tried with several numbers of threads says each.
  const engines = [...new Set(measurements.map(({ engine }) => engine.name))].map((name) => {
    const own = measurements.filter(({ engine }) => engine.name === name).map(({ engine }) => engine);
    return `${name} ${own.at(-1)!.version} on ${[...new Set(own.map(({ device: where }) => where))].join(' or ')}`;
  });
  const adapter =
    device.adapter === null ? '' : `, ${[device.adapter.device, device.adapter.description].filter((text) => text !== '').join(', ')}`;
  return [
    [model.file, model.sizeBytes && formatBytes(model.sizeBytes), model.sha256 && `sha256 ${model.sha256.slice(0, 12)}`]
      .filter(Boolean).join(', '),
    `${machine.cpu}, ${machine.cores} cores, ${machine.os}, Node ${machine.node}${commit === null ? '' : `, commit ${commit}`}`,
    `${device.description}${adapter}; copies ${formatBytes(device.copyBytesPerSecond)}/s (read and write counted)`,
    ...engines,
    `median (least to most) of ${runs} ${runs === 1 ? 'run' : 'runs'} after ${warmups} warm-up, ${pauseSeconds} s between runs, ` +
      `engines in turn${isQuick ? '; QUICK: sizes too small to quote' : ''}`,
  ];
}

/** Of several settings of an engine the one that did best. */
function bestOf(entries: readonly Measurement[]): Measurement | undefined {
  return entries.reduce<Measurement | undefined>((best, entry) => (best === undefined || isBetter(entry, best) ? entry : best), undefined);
}

function isBetter(a: Measurement, b: Measurement): boolean {
  return isMoreBetter(a.unit) ? a.median > b.median : a.median < b.median;
}

/** @param mostRuns of any figure; one that was stopped has fewer */
function cell(entry: Measurement | undefined, mostRuns: number, settingOf: (entry: Measurement) => string): string {
  if (entry === undefined) return '-';
  const { median, min, max, runs } = entry;
  const spread = runs.length > 1 ? ` (${figureText(min)}-${figureText(max)})` : '';
  const stopped = runs.length < mostRuns ? `, ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}` : '';
  return [`${figureText(median)}${spread}${stopped}`, settingOf(entry)].filter(Boolean).join(' ');
}

/** How much better ingot is: 2 is twice as fast, or half the time. */
function ratio(ingot: Measurement | undefined, rival: Measurement | undefined): string {
  if (ingot === undefined || rival === undefined) return '-';
  const better = isMoreBetter(ingot.unit) ? ingot.median / rival.median : rival.median / ingot.median;
  return `${better.toFixed(2)}x`;
}

function shareOf(limit: LimitShare | null | undefined): string {
  if (!limit) return '';
  const isBytes = limit.work === 'bytes per token';
  const rate = isBytes ? `${formatBytes(limit.perSecond)}/s` : `${figureText(limit.perSecond / 1e9)} GMAC/s`;
  return limit.share === null ? rate : `${(100 * limit.share).toFixed(0)}% (${rate})`;
}

function figureText(value: number): string {
  if (value >= 99.95) return withThousands(Math.round(value));
  if (value < 0.1) return value.toPrecision(2);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
