import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repoRoot } from './repository.ts';

export interface PackReport {
  readonly filename: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

export interface PackedPackage {
  /** Somebody else's project, in which the packed archive is installed. */
  readonly folder: string;
  readonly report: PackReport;
  remove(): void;
}

/** Builds, packs, and installs the archive in an empty folder, as someone else's project would. */
export function installPacked(): PackedPackage {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-pack-'));
  execFileSync(process.execPath, [join(repoRoot, 'scripts', 'build.mjs')], { cwd: repoRoot, stdio: 'pipe' });
  const packed = npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], repoRoot);
  const report = (JSON.parse(packed) as PackReport[])[0];
  writeFileSync(join(folder, 'package.json'), '{ "name": "somebody-else", "private": true, "type": "module" }\n');
  npm(['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, report.filename)], folder);
  return { folder, report, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** npm's standard output; an outer npm's settings must not leak into this one. */
export function npm(args: string[], cwd: string): string {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(config_|package_|lifecycle_)/i.test(name)));
  return execFileSync('npm', args, { cwd, env, encoding: 'utf8', shell: process.platform === 'win32', stdio: ['ignore', 'pipe', 'pipe'] });
}
