/** What a file of results holds already, so that a second run of a plan measures only what is missing. */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { InputError } from '../tensor/errors.ts';

/** The same for the same work: of all that is asked for and may change a figure. */
export function keyOfWork(asked: object): string {
  return createHash('sha256').update(JSON.stringify(asked)).digest('hex').slice(0, 16);
}

export interface FinishedWork {
  has(key: string): boolean;
}

export const NOTHING_FINISHED: FinishedWork = { has: () => false };

/** Work is finished where the last of its lines is there (`part`, `3/3`) and has all runs. Other lines are none of it. */
export function readFinishedWork(path: string): FinishedWork {
  const keys = new Set<string>();
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  for (const line of lines) {
    const found = /"asked":"([0-9a-f]{16})","part":"(\d+)\/(\d+)","isWhole":true/.exec(line);
    if (found !== null && found[2] === found[3]) keys.add(found[1] as string);
  }
  return { has: (key) => keys.has(key) };
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
