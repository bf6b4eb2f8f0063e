/**
 * Chromium of its package, in the folder of temporary files. The package takes a program that is there for a whole one: of two processes
 * that begin at once the second would start what the first has written half.
 */
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withFileLock } from '../../node/file-lock.ts';

const PROGRAM = 'chromium';

/** @param executablePath the package's own, which unpacks what is not there. Not to be called twice at once by one process. */
export async function unpackedChromium(executablePath: () => Promise<string>): Promise<string> {
  const place = tmpdir();
  const isThere = () => existsSync(join(place, PROGRAM));
  if (!isThere())
    await withFileLock(join(place, 'ingot-chromium.lock'), {}, async () => (isThere() ? undefined : unpack(place, executablePath)));
  return executablePath();
}

async function unpack(place: string, executablePath: () => Promise<string>): Promise<void> {
  const folder = mkdtempSync(join(place, 'ingot-chromium-'));
  const before = process.env['TMPDIR'];
  try {
    process.env['TMPDIR'] = folder;
    await executablePath();
    // The program last: whoever finds it finds all of it.
    const names = readdirSync(folder).toSorted((a, b) => Number(a === PROGRAM) - Number(b === PROGRAM));
    for (const name of names) if (!existsSync(join(place, name))) renameSync(join(folder, name), join(place, name));
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    rmSync(folder, { recursive: true, force: true });
  }
}
