/** What a file of results holds already, so that a second run of a plan measures only what is missing. */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { InputError } from '../tensor/errors.ts';
import type { Measurement } from './measurement.ts';
import type { ResultRow } from './read-results.ts';

/** The same for the same work: of all that is asked for and may change a figure. */
export function keyOfWork(asked: object): string {
  return createHash('sha256').update(JSON.stringify(asked)).digest('hex').slice(0, 16);
}

/** A figure as its line has it: whether a table shows it is not in there. */
export type KeptFigure = Omit<Measurement, 'isShown'> & Pick<ResultRow, 'time' | 'session'>;

export interface FinishedWork {
  /**
   * Figures by key, all of one session: the session that finished most of these keys, and of several the last one. Empty where no session
   * finished any.
   */
  figuresOf(keys: readonly string[]): ReadonlyMap<string, readonly KeptFigure[]>;
}

export const NOTHING_FINISHED: FinishedWork = { figuresOf: () => new Map() };

/** What one session has of one key: lines by their part. */
interface Work {
  readonly lines: Map<string, string>;
  isDone: boolean;
}

/** Work is finished where the last of its lines is there (`part`, `3/3`) and has all runs. Other lines are none of it. */
export function readFinishedWork(path: string): FinishedWork {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  const sessions = new Map<string, Map<string, Work>>();
  for (const line of lines) {
    const found = /"asked":"([0-9a-f]{16})","part":"((\d+)\/(\d+))","isWhole":true/.exec(line);
    if (found === null) continue;
    const [, key, part, number, count] = found as unknown as [string, string, string, string, string];
    const session = /"session":"([^"]+)"/.exec(line)?.[1] ?? '';
    const works = sessions.get(session) ?? new Map<string, Work>();
    const work = works.get(key) ?? { lines: new Map<string, string>(), isDone: false };
    sessions.set(session, works.set(key, work));
    work.lines.set(part, line);
    if (number === count) work.isDone = true;
  }
  const doneOf = (works: ReadonlyMap<string, Work>, keys: readonly string[]) => keys.filter((key) => works.get(key)?.isDone === true);
  return {
    figuresOf(keys) {
      let best: { readonly works: ReadonlyMap<string, Work>; readonly done: readonly string[] } | undefined;
      for (const works of sessions.values()) {
        const done = doneOf(works, keys);
        if (done.length > 0 && done.length >= (best?.done.length ?? 0)) best = { works, done };
      }
      const figures = (key: string) => [...best!.works.get(key)!.lines.values()].map((line) => JSON.parse(line) as KeptFigure);
      return new Map((best?.done ?? []).map((key) => [key, figures(key)] as const));
    },
  };
}

/** How a line of results begins. */
const BEGINNINGS = ['{"time":"', '{"note":"'];

/**
 * A run that was killed may leave a part of a line. What is a whole line but for its end gets one; what is not goes.
 * @throws InputError where what would go is no part of a result: the file is another one
 * @returns what was done, for people; undefined where nothing had to be
 */
export function mendLastLine(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  if (bytes.length === 0 || bytes.at(-1) === 0x0a) return undefined;
  const start = bytes.lastIndexOf(0x0a) + 1;
  try {
    JSON.parse(bytes.subarray(start).toString('utf8'));
    appendFileSync(path, '\n');
    return undefined;
  } catch {
    const cut = bytes.subarray(start).toString('utf8');
    if (!BEGINNINGS.some((beginning) => cut.startsWith(beginning) || beginning.startsWith(cut)))
      throw new InputError(`${path} holds no results: its last line is none. Name another file, or one that is not there yet.`);
    truncateSync(path, start);
    return `${path} ended within a line, which is taken away: its figure is measured again`;
  }
}
