/** Packages that a person installed to compare with, in a folder that a plan names. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../node/package-root.ts';

/** Where packages of engines may lie: the named folder, the one that the program was started in, and the clone's own. */
export function packageFolder(name: string, packages: string | undefined): string | undefined {
  const folders = [...(packages === undefined ? [] : [packages]), process.cwd(), join(packageRoot, 'peers')];
  return folders.map((folder) => join(folder, 'node_modules', name)).find((folder) => existsSync(join(folder, 'package.json')));
}

export function notInstalled(name: string, packages: string | undefined): string {
  const where = packages === undefined ? 'a folder, and name that by "packages" in a plan' : packages;
  return `the npm package ${name} is not installed: run "npm install ${name}" in ${where}`;
}

export function versionOf(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly version: string }).version;
}
