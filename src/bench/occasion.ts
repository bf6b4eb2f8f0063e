/** When and where figures were measured. They compare only within one session, on one machine; tables keep the others apart. */
import type { ResultRow } from './read-results.ts';

/** A GPU's name, or the processor's. */
export const deviceOf = ({ device, machine }: ResultRow): string =>
  device?.adapter?.device || (device?.kind === 'gpu' ? 'gpu' : machine.cpu);

const driverOf = ({ device }: ResultRow) => device?.adapter?.description ?? '';
const hostOf = ({ machine: { host, cpu, cores, os } }: ResultRow) => [host, cpu, cores, os].join('|');

/** The day on which its session began, as `2026-11-30`. */
export const dayOf = ({ session, time }: Pick<ResultRow, 'session' | 'time'>) => (session ?? time).slice(0, 10);

/**
 * One start of `ingot bench` on one machine, in which engines ran in turn. Lines that do not say (from before December 2026) count as one
 * session where machine, commit and day are the same.
 */
export const sessionOf = (row: ResultRow) => `${hostOf(row)}|${row.session ?? `${row.commit}|${dayOf(row)}`}`;

/** Its commit; where sources differed from it and the row does not say how (from before December 2026), that of its session alone. */
const buildOf = ({ commit, session, time }: ResultRow) => (commit?.endsWith('-dirty') ? `${commit}, of ${session ?? time}` : commit);

/** Device, driver, machine, build and day: what may stand in one table. */
export const occasionOf = (row: ResultRow) => [deviceOf(row), driverOf(row), hostOf(row), buildOf(row), dayOf(row)].join('|');

/** In the order in which they are said. */
const PARTS: readonly ((row: ResultRow) => string)[] = [
  deviceOf, (row) => (row.commit === null ? 'no commit' : `commit ${buildOf(row)}`), dayOf,
  ({ machine }) => (machine.host ? `host ${machine.host}` : ''), ({ machine }) => machine.cpu,
  ({ machine: { cores } }) => (cores === undefined ? '' : `${cores} cores`), ({ machine }) => machine.os ?? '', driverOf,
];

/** What tells the occasions of these rows apart, in words: no more than is needed. Empty where all are of one. */
export function occasionLabels(rows: readonly ResultRow[]): (row: ResultRow) => string {
  const told: ((row: ResultRow) => string)[] = [];
  const labelOf = (row: ResultRow) => told.map((part) => part(row)).filter((text) => text !== '').join(', ');
  for (const part of PARTS) {
    const values = new Map<string, Set<string>>();
    for (const row of rows) values.set(labelOf(row), (values.get(labelOf(row)) ?? new Set()).add(part(row)));
    if ([...values.values()].some((found) => found.size > 1)) told.push(part);
  }
  return labelOf;
}

/** A stopped session leaves figures of fewer runs. Lines that do not say are taken for whole ones. */
export const hasAllRuns = ({ isWhole }: ResultRow) => isWhole !== false;

/**
 * Of each figure the rows of one session alone: the last one that has both sides, else the last that has ours, else the last. Of these,
 * a session with all runs comes before one that was stopped.
 * @param keyOf what a figure is, whoever's
 * @param isOwn whether a row is ours
 */
export function ofOneSession(
  rows: readonly ResultRow[], keyOf: (row: ResultRow) => string, isOwn: (row: ResultRow) => boolean,
): ResultRow[] {
  const figures = new Map<string, Map<string, ResultRow[]>>();
  for (const row of rows) {
    const sessions = figures.get(keyOf(row)) ?? new Map<string, ResultRow[]>();
    figures.set(keyOf(row), sessions);
    const before = sessions.get(sessionOf(row)) ?? [];
    // A session moves to the end with each row that it gets, so that sessions stand in the order of their last rows.
    sessions.delete(sessionOf(row));
    sessions.set(sessionOf(row), [...before, row]);
  }
  return [...figures.values()].flatMap((sessions) => {
    const all = [...sessions.values()];
    const best = PREFERENCES.map((isWanted) => all.findLast((session) => isWanted(sidesOf(session, isOwn))));
    return best.find((session) => session !== undefined)!;
  });
}

/** The rows of a session that are ours, and those of others. */
type Sides = readonly [own: readonly ResultRow[], others: readonly ResultRow[]];
const sidesOf = (rows: readonly ResultRow[], isOwn: (row: ResultRow) => boolean): Sides => [
  rows.filter(isOwn), rows.filter((row) => !isOwn(row)),
];

/** Which session's rows are taken: the first of these that one of them fulfils. */
const PREFERENCES: readonly ((sides: Sides) => boolean)[] = [
  ([own, others]) => own.some(hasAllRuns) && others.some(hasAllRuns), ([own, others]) => own.length > 0 && others.length > 0,
  ([own]) => own.some(hasAllRuns), ([own]) => own.length > 0, ([, others]) => others.some(hasAllRuns), () => true,
];
