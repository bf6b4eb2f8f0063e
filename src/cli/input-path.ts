/** Paths that a person typed: `~` is their home, and a missing file may be a misspelt one. */
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { hubIdOf } from '../node/hub/hub-id.ts';
import { InputError } from '../tensor/errors.ts';
import { closestTo } from './suggestions.ts';

export function isUrl(text: string): boolean {
  return /^(https?|file):\/\//i.test(text);
}

/** Shells leave `~` in `--model=~/model.gguf` as it is. */
export function expandHome(path: string): string {
  return /^~[/\\]/.test(path) && !existsSync(path) ? join(homedir(), path.slice(2)) : path;
}

/** A path that exists, or a URL as it is. @throws InputError for a missing file, with the name of one that is there and nearly called so */
export function inputPath(text: string): string {
  if (text === '' || isUrl(text)) return text;
  const path = expandHome(text);
  if (existsSync(path)) return path;
  const near = nearName(path);
  const advice = near === undefined ? 'Check the path.' : `Did you mean ${join(dirname(path), near)}?`;
  throw new InputError(`Cannot read ${text}: there is no such file or directory. ${advice}`);
}

/** As {@link inputPath}, of a model, which may have an id of the hub. */
export function modelPath(text: string): string {
  return text !== '' && !isUrl(text) && hubIdOf(text) !== undefined ? text : inputPath(text);
}

function nearName(path: string): string | undefined {
  try {
    const [name, beside] = [basename(path), readdirSync(dirname(path))];
    // Nobody means .git by "it".
    return closestTo(name, name.startsWith('.') ? beside : beside.filter((other) => !other.startsWith('.')));
  } catch {
    return undefined;
  }
}
