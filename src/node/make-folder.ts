import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/**
 * Makes a folder for this user alone, with those above it. Node's own recursive `mkdir` never returns where the system says that there is
 * no such folder although the one above it exists (`/proc/x`).
 * @throws the system's error
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    const above = dirname(path);
    if (code !== 'ENOENT' || above === path || isThere(above)) throw error;
    makeFolder(above);
    makeFolder(path);
  }
}
