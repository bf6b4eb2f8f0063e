/** Programs of a person's own to compare with. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The path of a program: as it is where it has a folder, else where programs lie. */
export function programPath(program: string): string | undefined {
  const places = program.includes('/') ? [program] : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, program));
  return places.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return statSync(place).isFile();
    } catch {
      return false;
    }
  });
}

/** What tells a build of a program from another: its size and date. */
export function programBuild(program: string | undefined): string | undefined {
  const path = program === undefined ? undefined : programPath(program);
  if (path === undefined) return undefined;
  const { size, mtimeMs } = statSync(path);
  return `${size} bytes of ${Math.round(mtimeMs)}`;
}
