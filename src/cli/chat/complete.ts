/** What Tab makes of a line that begins with a slash. */
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { cachedIds } from '../cached-models.ts';
import { expandHome } from '../input-path.ts';
import { SHORT_NAMES } from '../../files/hub/short-names.ts';
import { argumentOf, COMMAND_NAMES } from './chat-commands.ts';
import { SETTING_NAMES } from './chat-settings.ts';

export interface Completion {
  /** The line as far as all candidates agree. */
  readonly text: string;
  /** What may follow, where that is not certain. */
  readonly candidates: readonly string[];
}

/** Undefined where Tab means nothing. */
export async function completeLine(line: string): Promise<Completion | undefined> {
  const [, name, gap, argument] = /^\/(\S*)(\s*)(.*)$/.exec(line) ?? [];
  if (name === undefined || gap === undefined || argument === undefined) return undefined;
  if (gap === '') return completed('/', name, COMMAND_NAMES.map((each) => (argumentOf(each) === 'nothing' ? each : `${each} `)));
  return completed(`/${name} `, argument, await candidatesFor(name, argument));
}

async function candidatesFor(name: string, argument: string): Promise<readonly string[]> {
  const takes = argumentOf(name);
  switch (takes) {
    case 'file':
      return filesLike(argument);
    case 'model':
      return [...(await cachedIds()), ...Object.keys(SHORT_NAMES), ...filesLike(argument)];
    case 'setting':
      return SETTING_NAMES.map((setting) => `${setting} `);
    case 'thinking':
      return ['on', 'off'];
    case undefined:
    case 'nothing':
    case 'text':
    case 'count':
      return [];
    default:
      throw new Error(`no completion for ${JSON.stringify(takes satisfies never)}`);
  }
}

/** Files and folders (with a slash) whose path begins so. */
function filesLike(written: string): readonly string[] {
  const isFolder = written === '' || written.endsWith('/');
  const folder = isFolder ? written : written.slice(0, written.length - basename(written).length);
  try {
    const names = readdirSync(expandHome(folder === '' ? '.' : join(folder, '.')), { withFileTypes: true });
    const hasDot = basename(written).startsWith('.') && !isFolder;
    return names
      .filter((entry) => hasDot || !entry.name.startsWith('.'))
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
      .toSorted();
  } catch {
    return [];
  }
}

function completed(before: string, written: string, all: readonly string[]): Completion | undefined {
  const candidates = [...new Set(all.filter((each) => each.startsWith(written)))];
  if (candidates.length === 0) return undefined;
  return { text: before + candidates.reduce(commonStart), candidates: candidates.length === 1 ? [] : candidates.map(shortName) };
}

function commonStart(a: string, b: string): string {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return a.slice(0, length);
}

/** Of a path its last part: the folder is on the line already. */
function shortName(candidate: string): string {
  const text = candidate.trimEnd();
  return /^[./~]/.test(text) && dirname(text) !== '.' ? basename(text) + (text.endsWith('/') ? '/' : '') : text;
}
