/** A text in the user's own editor. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../../tensor/errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** VISUAL, else EDITOR, with arguments if they like (`code --wait`); else vi, or Windows' notepad. */
export function editorCommand(environment: Environment, platform: NodeJS.Platform = process.platform): string {
  return environment['VISUAL'] || environment['EDITOR'] || (platform === 'win32' ? 'notepad' : 'vi');
}

/**
 * Opens the editor on the text, in a file that only this user may read and that is gone afterwards, and waits. The terminal is the editor's
 * meanwhile: raw mode has to be off.
 * @returns the text as it was left, without line breaks at its end
 * @throws InputError where the editor cannot be run or fails
 */
export function editInEditor(text: string, environment: Environment = process.env): string {
  const editor = editorCommand(environment);
  const folder = mkdtempSync(join(tmpdir(), 'ingot-message-'));
  const path = join(folder, 'message.md');
  try {
    writeFileSync(path, text === '' ? '' : `${text}\n`, { mode: 0o600 });
    const { status, error } =
      process.platform === 'win32'
        ? spawnSync(`${editor} "${path}"`, { shell: true, stdio: 'inherit' })
        : spawnSync('/bin/sh', ['-c', `${editor} "$1"`, 'sh', path], { stdio: 'inherit' });
    if (error !== undefined || status !== 0)
      throw new InputError(`The editor ${editor} ended with ${error?.message ?? `code ${status}`}. VISUAL or EDITOR names another one.`);
    return readFileSync(path, 'utf8').replaceAll('\r\n', '\n').replace(/\n+$/, '');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
