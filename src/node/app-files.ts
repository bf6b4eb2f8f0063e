/** The files of the app, as the build has made them. */
import { readFile, readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { CapacityError } from '../tensor/errors.ts';
import { packageRoot } from './package-root.ts';

const folder = join(packageRoot, 'dist', 'app');

/** Paths of all files. @throws CapacityError where the app is not built */
export async function listAppFiles(): Promise<ReadonlySet<string>> {
  const paths = await readdir(folder, { recursive: true }).catch((error: unknown) => {
    throw new CapacityError(`The app is not built: there is no ${relative(packageRoot, folder)} in the package. npm run build makes it.`, {
      cause: error,
    });
  });
  return new Set(paths.map((path) => path.split(sep).join('/')).filter((path) => /\.[a-z0-9]+$/.test(path)));
}

/**
 * What `createServer` takes as `app`, to have the app at `/`. A path that is not one of the build's files is undefined; files are listed at
 * the first read, so that no path of a request leads elsewhere, and those that were read stay in memory (about 1 MB in all).
 */
export function appFiles(): { read(path: string): Promise<Uint8Array | undefined> } {
  let names: Promise<ReadonlySet<string>> | undefined;
  const held = new Map<string, Promise<Uint8Array>>();
  return {
    async read(path) {
      names ??= listAppFiles();
      if (!(await names).has(path)) return undefined;
      const bytes = held.get(path) ?? readFile(join(folder, path));
      held.set(path, bytes);
      return bytes;
    },
  };
}
