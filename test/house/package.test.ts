import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from './repository.ts';

interface Manifest {
  name: string;
  bin: Record<string, string>;
  exports: Record<string, string | Record<string, string>>;
}

interface PackReport {
  filename: string;
  unpackedSize: number;
  files: { path: string; mode: number }[];
}

const maxUnpackedBytes = 25e6;
const manifest = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')) as Manifest;
const hasLibrary = existsSync(join(repoRoot, 'src', 'node', 'index.ts'));
const hasCli = existsSync(join(repoRoot, 'src', 'cli', 'main.ts'));

/** Installs the packed archive in an empty folder and uses it there, as someone else's project would. */
describe('npm pack', () => {
  let folder: string;
  let report: PackReport;
  let paths: string[];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-pack-'));
    execFileSync(process.execPath, [join(repoRoot, 'scripts', 'build.mjs')], { cwd: repoRoot, stdio: 'pipe' });
    const packed = npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], repoRoot);
    report = (JSON.parse(packed) as PackReport[])[0];
    paths = report.files.map(({ path }) => path);
    writeFileSync(join(folder, 'package.json'), '{ "name": "somebody-else", "private": true, "type": "module" }\n');
    npm(['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, report.filename)], folder);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('holds the library, the licence and nothing that only we need', () => {
    expect(paths).toContain('LICENSE');
    expect(paths.filter((path) => !/^(dist|models)\/|^(package\.json|README\.md|LICENSE)$/.test(path))).toEqual([]);
    expect(paths.filter((path) => /\.test\.|\.map$|fixtures|tsbuildinfo|\.build\.json/.test(path))).toEqual([]);
    expect(report.unpackedSize).toBeLessThan(maxUnpackedBytes);
  });

  it.skipIf(!hasLibrary || !hasCli)('holds every file that package.json promises', () => {
    const promised = [...Object.values(manifest.exports), ...Object.values(manifest.bin)]
      .flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)))
      .map((path) => path.replace('./', ''));
    expect(promised.filter((path) => !paths.includes(path))).toEqual([]);
  });

  it.skipIf(!hasLibrary)('can be imported elsewhere', () => {
    const program = `const ingot = await import('${manifest.name}'); console.log(typeof ingot.loadModel);`;
    expect(node(['--input-type=module', '-e', program])).toBe('function');
  });

  it.skipIf(!hasLibrary)('has types that a strict consumer compiles against', () => {
    const source = "import { loadModel } from 'ingot';\nexport const load: (path: string) => Promise<unknown> = (path) => loadModel(path);\n";
    writeFileSync(join(folder, 'consumer.ts'), source);
    const tsc = join(repoRoot, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2024,dom,esnext.disposable', '--types', ''];
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options, 'consumer.ts'], { cwd: folder, encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });

  it.skipIf(!hasCli)('runs as a command elsewhere', () => {
    expect(npm(['exec', '--offline', '--', 'ingot', '--help'], folder)).toMatch(/usage/i);
  });

  function node(args: string[]): string {
    return execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' }).trim();
  }
});

/** npm's standard output; an outer npm's settings must not leak into this one. */
function npm(args: string[], cwd: string): string {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(config_|package_|lifecycle_)/i.test(name)));
  return execFileSync('npm', args, { cwd, env, encoding: 'utf8', shell: process.platform === 'win32', stdio: ['ignore', 'pipe', 'pipe'] });
}
