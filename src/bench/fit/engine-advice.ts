/** Which other engine to look at, and for what: by rows of one session, with what it is slower at. */
import { canDiffer, medianInterval } from '../noise.ts';
import { occasionOf, ofOneSession } from '../occasion.ts';
import type { ResultRow } from '../read-results.ts';
import { isMoreBetter } from '../task.ts';
import { triedSettings } from '../tried-settings.ts';
import type { Advice } from './advice.ts';
import { CLEARLY, deviceNameOf, figureText, isBetter } from './measured-model.ts';
import type { MeasuredModel } from './measured-model.ts';

/** Told of a rival's figures, the most different first. */
const MOST_TOLD = 3;

/** What work a measure is of, for people. Parts of another measure, and memory, are no work of their own. */
const WORK: readonly (readonly [measure: RegExp, work: string])[] = [
  [/^prefill \d|^TTFT \d/, 'reading prompts'], [/^TTFT of all \d+ turns$/, 'conversations'],
  [/^TTFT of all \d+ turns, prefix not reused$/, 'conversations that are read again at each turn'],
  [/^decode in a JSON schema$/, 'answers in a schema'],
  [/^decode /, 'decoding'],
  [/^load and first request/, 'loading'], [/streams?.*(answers|decode|first token p99)$/, 'many answers at once'],
];
const workOf = (measure: string) => WORK.find(([pattern]) => pattern.test(measure))?.[1];

/** Programs that only measure, and what they measure. */
const NAMES: Readonly<Record<string, string>> = {
  'llama-bench': "llama.cpp's own programs (llama-bench)", 'llama-batched-bench': "llama.cpp's own programs (llama-batched-bench)",
};

const isOwn = ({ engine }: ResultRow) => engine.name === 'ingot';

interface Difference {
  readonly measure: string;
  readonly work: string;
  /** How many times as fast the rival is. */
  readonly times: number;
  readonly told: string;
}

/** A rival that is faster at some work, at its best setting, and what it is slower at. */
export function engineAdvice(model: MeasuredModel, all: readonly ResultRow[]): Advice[] {
  const rows = rowsOf(model, all);
  const settings = triedSettings(rows);
  const best = new Map<string, ResultRow>();
  for (const row of rows) {
    const key = `${row.engine.name}|${row.measure}`;
    const other = best.get(key);
    if (other === undefined || isBetter(row, other)) best.set(key, row);
  }
  const differences = new Map<string, Difference[]>();
  for (const rival of best.values()) {
    const own = isOwn(rival) ? undefined : best.get(`ingot|${rival.measure}`);
    const work = workOf(rival.measure);
    if (own === undefined || work === undefined || !isApart(own, rival)) continue;
    const { name } = rival.engine;
    const told = [`${figureText(rival.median)} and ${figureText(own.median)} ${rival.unit}`, ...settings(rival).map(({ words }) => words)];
    const times = isMoreBetter(rival.unit) ? rival.median / own.median : own.median / rival.median;
    differences.set(name, [...(differences.get(name) ?? []), { measure: rival.measure, work, times, told: told.join(', ') }]);
  }
  return [...differences].flatMap(([name, found]) => adviceOf(NAMES[name] ?? name, found));
}

/** The least runs a side by which two can differ. */
export const FEWEST_RUNS = [1, 2, 3, 4, 5, 6, 7, 8].find((runs) => canDiffer(runs, runs))!;

/** Where rivals were measured and no difference can be told by so few runs, however large: that, and what would tell. */
export function tooFewRuns(model: MeasuredModel, all: readonly ResultRow[]): string[] {
  const rows = rowsOf(model, all);
  const sides = rows.filter((row) => !isOwn(row) && workOf(row.measure) !== undefined)
    .flatMap((rival) => rows.filter((row) => isOwn(row) && row.measure === rival.measure).map((own) => ({ own, rival })));
  if (sides.length === 0 || sides.some(({ own, rival }) => canDiffer(own.runs.length, rival.runs.length))) return [];
  const names = [...new Set(sides.map(({ rival }) => rival.engine.name))].join(', ');
  const most = Math.max(...sides.flatMap(({ own, rival }) => [own.runs.length, rival.runs.length]));
  return [
    `which engine is faster (${names}: chance alone may order ${most} ${most === 1 ? 'run' : 'runs'} a side like that, `
      + `${FEWEST_RUNS} can tell: --runs ${FEWEST_RUNS})`,
  ];
}

/** Of the model on this occasion: of each figure those of one session, of each setting the latest. */
function rowsOf(model: MeasuredModel, all: readonly ResultRow[]): ResultRow[] {
  const here = all.filter(
    (row) => row.model.file === model.file && deviceNameOf(row) === model.device && occasionOf(row) === model.occasionKey,
  );
  const keyOf = (row: ResultRow) => JSON.stringify([row.engine, row.measure, row.flags]);
  return [...new Map(ofOneSession(here, ({ measure }) => measure, isOwn).map((row) => [keyOf(row), row])).values()];
}

/** Whether the intervals of two medians, 95% each, have nothing in common, by enough runs to say so. */
function isApart(a: ResultRow, b: ResultRow): boolean {
  if (!canDiffer(a.runs.length, b.runs.length)) return false;
  const [one, other] = [medianInterval(a.runs), medianInterval(b.runs)];
  return one.low > other.high || other.low > one.high;
}

function adviceOf(name: string, all: readonly Difference[]): Advice[] {
  const wins = all.filter(({ times }) => times > CLEARLY).sort((a, b) => b.times - a.times);
  const losses = all.filter(({ times }) => times < 1 / CLEARLY).sort((a, b) => a.times - b.times);
  if (wins.length === 0) return [];
  const work = [...new Set(wins.map((win) => win.work))];
  const more = (found: readonly Difference[]) => (found.length > MOST_TOLD ? `; and ${found.length - MOST_TOLD} more` : '');
  const faster = wins.slice(0, MOST_TOLD).map(({ measure, times, told }) => `${measure} ${times.toFixed(2)} times as fast (${told})`);
  const slower = losses.slice(0, MOST_TOLD).map(({ measure, told }) => `${measure} (${told})`);
  const because = `${faster.join('; ')}${more(wins)}`;
  return [
    {
      advice: `Look at ${name} for ${work.join(', ')}.`,
      because: slower.length === 0 ? because : `${because}. It is slower at ${slower.join('; ')}${more(losses)}`,
    },
  ];
}
