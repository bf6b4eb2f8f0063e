/** Results as Markdown, for pages that people read: Ingot beside the best of its rivals, or every engine by itself. */
import { dayOf, deviceOf, occasionOf, ofOneSession } from '../occasion.ts';
import type { ResultRow } from '../read-results.ts';
import { isMoreBetter } from '../task.ts';
import { triedSettings } from '../tried-settings.ts';
import { settingsOf } from './engine-labels.ts';
import { barMeasures, isAsGood, quoted, titleOf } from './report-data.ts';

const OWN = 'ingot';

/** `summary`: a table a device, a row a model, Ingot and its best rival in a cell. `full`: a table a measure, a column an engine. */
export type MarkdownForm = 'summary' | 'full';
export const MARKDOWN_FORMS: readonly MarkdownForm[] = ['summary', 'full'];

export interface MarkdownTables {
  readonly lines: readonly string[];
  /** Figures that stand in none of them, and why, for people. */
  readonly untold: readonly string[];
}

const withThousands = (text: string) => text.replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',');
const figure = (value: number) => (value >= 99.95 ? withThousands(String(Math.round(value))) : value.toPrecision(3));
const nameOf = ({ model }: ResultRow) => model.file.replace(/\.gguf$/i, '');

/** What rows of one table call their model: its name, and the beginning of its sha256 where two files have that name. */
function modelNames(rows: readonly ResultRow[]): (row: ResultRow) => string {
  const hashes = new Map<string, Set<string>>();
  for (const row of rows) if (row.model.sha256) hashes.set(nameOf(row), (hashes.get(nameOf(row)) ?? new Set()).add(row.model.sha256));
  return (row) => {
    const isOneOfMany = (hashes.get(nameOf(row))?.size ?? 0) > 1;
    return isOneOfMany ? `${nameOf(row)} (${row.model.sha256?.slice(0, 8) ?? 'sha256 not told'})` : nameOf(row);
  };
}

interface Cells {
  /** A row for each place in a table. */
  readonly rows: readonly ResultRow[];
  readonly modelOf: (row: ResultRow) => string;
  /** What tells it from what it was chosen of: a backend, a type of keys and values. */
  readonly choiceOf: (row: ResultRow) => readonly string[];
}

/** Of an engine's backends and types of keys and values the best, with all runs where one has them: a cell has room for one. */
function cellsOf(rows: readonly ResultRow[]): Cells {
  const modelOf = modelNames(rows);
  const cells = new Map<string, ResultRow[]>();
  const keyOf = (row: ResultRow) => [modelOf(row), row.engine.name, row.measure].join('|');
  for (const row of rows) cells.set(keyOf(row), [...(cells.get(keyOf(row)) ?? []), row]);
  return {
    rows: [...cells.values()].map((found) => found.reduce((best, row) => (isAsGood(best, row) ? best : row))), modelOf,
    choiceOf(row) {
      const others = cells.get(keyOf(row))!.map(settingsOf);
      return settingsOf(row).filter((setting, i) => setting !== '' && others.some((other) => other[i] !== setting));
    },
  };
}
const isOwn = ({ engine }: ResultRow) => engine.name === OWN;
/** How many times as good: above 1 the first one is better. */
const times = (a: ResultRow, b: ResultRow) => (isMoreBetter(a.unit) ? a.median / b.median : b.median / a.median);
const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

/** A table has figures of one device, machine, day and commit, and of each the rows of one session: no others compare. */
export function markdownTables(all: readonly ResultRow[], form: MarkdownForm): MarkdownTables {
  const figureOf = (row: ResultRow) => [deviceOf(row), row.model.sha256 ?? row.model.file, row.measure].join('|');
  const chosen = ofOneSession(all, figureOf, isOwn);
  const occasions = new Map<string, ResultRow[]>();
  for (const row of chosen) occasions.set(occasionOf(row), [...(occasions.get(occasionOf(row)) ?? []), row]);
  const lines: string[] = [];
  const left = new Map([['measured again later, or beside rivals in another session', all.filter((row) => !chosen.includes(row))]]);
  const leave = (why: string, rows: readonly ResultRow[]) => void left.set(why, [...(left.get(why) ?? []), ...rows]);
  for (const found of occasions.values()) {
    const best = quoted(found);
    const { rows, ...names } = cellsOf(best);
    leave('of another backend, or type of keys and values, than the best', best.filter((row) => !rows.includes(row)));
    const bars = barMeasures(rows);
    const measures = form === 'full' ? bars : bars.filter((measure) => rows.some((row) => row.measure === measure && !isOwn(row)));
    leave('of no kind that has a table', rows.filter(({ measure }) => !bars.includes(measure)));
    leave('without a rival', rows.filter(({ measure }) => bars.includes(measure) && !measures.includes(measure)));
    if (measures.length === 0) continue;
    const shown = rows.filter(({ measure }) => measures.includes(measure));
    const tables = (form === 'summary' ? summaryTable : fullTables)(shown, measures, { found, ...names });
    lines.push(...(lines.length === 0 ? [] : ['']), ...circumstancesOf(shown), '', ...tables);
  }
  return { lines, untold: [...left].flatMap(([why, rows]) => untoldText(why, rows)) };
}

function untoldText(why: string, rows: readonly ResultRow[]): string[] {
  if (rows.length === 0) return [];
  const names = [...new Set(rows.map((row) => `${nameOf(row)}, ${row.engine.name}, ${dayOf(row)}`))].map((who) => {
    const own = rows.filter((row) => `${nameOf(row)}, ${row.engine.name}, ${dayOf(row)}` === who);
    const measures = own.map(({ measure }) => measure.replace(/\bturn \d+/, 'each turn'));
    return `${who}: ${[...new Set(measures)].join('; ')}`;
  });
  return [`${rows.length} ${rows.length === 1 ? 'row' : 'rows'} in no table (${why})`, ...names.map((name) => `  ${name}`)];
}

/** What makes the figures repeatable, in a sentence. */
function circumstancesOf(rows: readonly ResultRow[]): string[] {
  const { machine, device: limits, commit } = rows[0]!;
  const device = deviceOf(rows[0]!);
  const driver = limits?.adapter?.description;
  const counts = [...new Set(rows.map(({ runs }) => runs.length))].sort((a, b) => a - b);
  const engines = [...new Set(rows.map(({ engine }) => `${engine.name} ${engine.version}`))];
  const place = device === machine.cpu ? `${machine.cpu}, ${machine.cores} cores` : `${device}${driver === undefined ? '' : `, ${driver}`}`;
  return [
    `${place}, ${machine.os ?? 'unknown system'}; ${dayOf(rows[0]!)}; medians of ${counts.join(' or ')} runs, engines in turn; ` +
      `${engines.join(', ')}${commit === null ? '' : `; commit ${commit}`}.`,
  ];
}

/** @param rows of one model and measure */
function bestRival(rows: readonly ResultRow[]): ResultRow | undefined {
  const rivals = rows.filter((row) => !isOwn(row));
  return rivals.reduce<ResultRow | undefined>((best, row) => (best === undefined || times(row, best) > 1 ? row : best), undefined);
}

/** @property found rows with all settings that were tried, the best of which a table has */
interface TableNames extends Pick<Cells, 'modelOf' | 'choiceOf'> {
  readonly found: readonly ResultRow[];
}

function summaryTable(rows: readonly ResultRow[], measures: readonly string[], { found, modelOf, choiceOf }: TableNames): string[] {
  const settings = triedSettings(found);
  const toldOf = (row: ResultRow) => [...choiceOf(row), ...settings(row).map(({ short }) => short)];
  const hasManyRivals = new Set(rows.map(({ engine }) => engine.name)).size > 2;
  const cellOf = (model: string, measure: string): string => {
    const both = rows.filter((row) => row.measure === measure && modelOf(row) === model);
    const own = both.find(isOwn);
    if (own === undefined) return '-';
    const ours = [figure(own.median), ...choiceOf(own)].join(' ');
    const rival = bestRival(both);
    if (rival === undefined) return `${ours} / -`;
    const who = [...(hasManyRivals ? [rival.engine.name] : []), ...toldOf(rival)];
    return `${[`${ours} / ${figure(rival.median)}`, ...who].join(' ')} (${times(own, rival).toFixed(2)}x)`;
  };
  const head = ['', ...measures.map((measure) => `${titleOf(measure)}, ${rows.find((row) => row.measure === measure)!.unit}`)];
  const body = [...new Set(rows.map(modelOf))].map((model) => line([model, ...measures.map((measure) => cellOf(model, measure))]));
  return [line(head), line(head.map(() => '---')), ...body];
}

function fullTables(rows: readonly ResultRow[], measures: readonly string[], { found, modelOf, choiceOf }: TableNames): string[] {
  const settings = triedSettings(found);
  const engines = [...new Set(rows.map(({ engine }) => engine.name))].sort((a, b) => Number(b === OWN) - Number(a === OWN));
  return measures.flatMap((measure) => {
    const own = rows.filter((row) => row.measure === measure);
    const shown = engines.filter((name) => own.some(({ engine }) => engine.name === name));
    const cellOf = (model: string, name: string): string => {
      const row = own.find((one) => modelOf(one) === model && one.engine.name === name);
      if (row === undefined) return '-';
      // One that was stopped has fewer runs than what stands beside it.
      const most = Math.max(...own.filter((one) => modelOf(one) === model).map(({ runs }) => runs.length));
      const fewer = row.runs.length < most ? [`of ${row.runs.length}`] : [];
      const spread = `${figure(row.median)} (${figure(row.min)} to ${figure(row.max)})`;
      return [spread, ...choiceOf(row), ...settings(row).map(({ short }) => short), ...fewer].join(' ');
    };
    const ratioOf = (model: string): string => {
      const both = own.filter((row) => modelOf(row) === model);
      const ingot = both.find(isOwn);
      const rival = ingot === undefined ? undefined : bestRival(both);
      return rival === undefined ? '-' : `${times(ingot!, rival).toFixed(2)}x`;
    };
    const head = [`${titleOf(measure)}, ${own[0]!.unit}`, ...shown, 'beside the best'];
    const models = [...new Set(own.map(modelOf))];
    const body = models.map((model) => line([model, ...shown.map((name) => cellOf(model, name)), ratioOf(model)]));
    return [line(head), line(head.map(() => '---')), ...body, ''];
  });
}
