/** The packed package by other package managers, runtimes, bundlers and checkers, which `npm test -- --all` fetches (peers/tools). */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installPacked, npm } from './packed-package.ts';
import type { PackedPackage } from './packed-package.ts';
import { repoRoot } from './repository.ts';

const tools = join(repoRoot, 'peers', 'tools', 'node_modules');
const hasTools = existsSync(join(tools, 'vite')) && process.platform === 'linux' && process.arch === 'x64';
const bin = {
  pnpm: [join(tools, '@pnpm/exe.linux-x64/pnpm')],
  yarn: [process.execPath, join(tools, '@yarnpkg/cli-dist/bin/yarn.js')],
  bun: [join(tools, '@oven/bun-linux-x64/bin/bun')],
  deno: [join(tools, '@deno/linux-x64-glibc/deno')],
  publint: [process.execPath, join(tools, 'publint/src/cli.js')],
  attw: [process.execPath, join(tools, '@arethetypeswrong/cli/dist/index.js')],
} as const;

const MOST_BYTES = 200e6;
const PROGRAM = `import { bundledModelPath, collect, loadModel } from 'ingot';
const model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 2, contextLength: 128 });
const messages = [{ role: 'user', content: 'Where does a hen live?' }];
console.log((await collect(model.generate({ messages, temperature: 0, maxTokens: 12 }))).text);
await model.dispose();
`;
const ANSWER = 'A hen lives in a coop.';
/** Entries that are files of bytes, and have no types. */
const FILES = ['wasm/cpu.wasm', 'wasm/cpu-relaxed.wasm', 'browser/worker'];

/** What an outer npm says by its environment is not for other tools, but where packages come from is. */
function run([program, ...own]: readonly [string, ...string[]], args: readonly string[], cwd: string) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(config_|package_|lifecycle_)/i.test(name)));
  const { status, stdout, stderr } = spawnSync(program, [...own, ...args], { cwd, env, encoding: 'utf8', timeout: 200_000 });
  return { status, stdout: stdout.trim(), stderr: stderr.trim() };
}

describe.skipIf(!hasTools)('the packed package', { tags: ['slow'] }, () => {
  let packed: PackedPackage;
  let tarball: string;
  beforeAll(() => {
    packed = installPacked();
    tarball = join(packed.folder, packed.report.filename);
  });
  afterAll(() => packed?.remove());

  /** A project of somebody else, with the program and nothing installed. */
  function project(name: string, files: Readonly<Record<string, string>> = {}): string {
    const folder = join(packed.folder, 'projects', name);
    mkdirSync(folder, { recursive: true });
    const own = { 'package.json': '{ "name": "x", "private": true, "type": "module" }', 'program.mjs': PROGRAM, ...files };
    for (const [file, text] of Object.entries(own)) writeFileSync(join(folder, file), text);
    return folder;
  }

  it('gives the command by npm i -g, in less than 200 MB with its packages', () => {
    const prefix = join(packed.folder, 'prefix');
    npm(['install', '-g', '--prefix', prefix, '--prefer-offline', '--no-audit', '--no-fund', tarball], packed.folder);
    const sizes = readdirSync(prefix, { recursive: true, withFileTypes: true })
      .map((entry) => (entry.isFile() ? statSync(join(entry.parentPath ?? entry.path, entry.name)).size : 0));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(MOST_BYTES);
    const asked = ['run', '--device', 'cpu', '--temperature', '0', 'Where does a hen live?'];
    expect(run([join(prefix, 'bin', 'ingot')], asked, packed.folder).stdout).toBe(ANSWER);
    rmSync(prefix, { recursive: true, force: true });
  });

  it('is installed by pnpm, and runs', () => {
    const folder = project('pnpm');
    run(bin.pnpm, ['add', tarball], folder);
    expect(run([process.execPath], ['program.mjs'], folder).stdout).toBe(ANSWER);
    expect(run(bin.pnpm, ['exec', 'ingot', '--version'], folder).stdout).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('is installed by yarn 4, and runs', () => {
    const packages = npm(['config', 'get', 'registry'], packed.folder).trim().replace(/\/$/, '');
    const settings = `nodeLinker: node-modules\nenableTelemetry: false\nnpmRegistryServer: "${packages}"\n`;
    const http = packages.startsWith('http:') ? `unsafeHttpWhitelist: ["${new URL(packages).hostname}"]\n` : '';
    const folder = project('yarn', { '.yarnrc.yml': settings + http, 'yarn.lock': '' });
    const { stdout } = run(bin.yarn, ['add', `ingot@file:${tarball}`], folder);
    expect(run([process.execPath], ['program.mjs'], folder).stdout, stdout).toBe(ANSWER);
  });

  it('is installed by Bun, and runs on it', () => {
    const folder = project('bun');
    run(bin.bun, ['add', tarball], folder);
    expect(run(bin.bun, ['program.mjs'], folder)).toMatchObject({ status: 0, stdout: ANSWER });
  });

  it("runs on Deno, on npm's folder", () => {
    writeFileSync(join(packed.folder, 'program.mjs'), PROGRAM);
    expect(run(bin.deno, ['run', '--allow-all', 'program.mjs'], packed.folder)).toMatchObject({ status: 0, stdout: ANSWER });
  });

  it.each(['ingot/core', 'ingot/browser'])('%s is bundled by vite and by esbuild for a browser', (entry) => {
    const names = 'createModel, createReferenceExecutor';
    const source = `import { ${names} } from '${entry}';\nconsole.log(createModel, createReferenceExecutor());\n`;
    writeFileSync(join(packed.folder, 'entry.mjs'), source);
    writeFileSync(join(packed.folder, 'bundle.mjs'), `
      import { build } from ${JSON.stringify(join(tools, 'vite/dist/node/index.js'))};
      import esbuild from ${JSON.stringify(join(tools, 'esbuild/lib/main.js'))};
      const warnings = [];
      // How long the bundler's own plugins took is told on slow machines, and is nothing of ours.
      const onwarn = ({ message }) => message.includes('[PLUGIN_TIMINGS]') || warnings.push(message);
      await build({ logLevel: 'silent', configFile: false, build: {
        outDir: 'by-vite', lib: { entry: 'entry.mjs', formats: ['es'], fileName: 'bundle' }, rollupOptions: { onwarn } } });
      const asked = { entryPoints: ['entry.mjs'], bundle: true, format: 'esm', platform: 'browser', outdir: 'by-esbuild' };
      const made = await esbuild.build(asked);
      console.log(JSON.stringify([...warnings, ...made.warnings.map(({ text }) => text)]));
    `);
    expect(run([process.execPath], ['bundle.mjs'], packed.folder)).toEqual({ status: 0, stdout: '[]', stderr: expect.any(String) });
    for (const made of ['by-vite/bundle.js', 'by-esbuild/entry.js']) {
      expect(readFileSync(join(packed.folder, made), 'utf8')).not.toMatch(/from ?["']node:|require\(["']node:/);
      expect(run([process.execPath], [made], packed.folder)).toMatchObject({ status: 0, stdout: expect.stringContaining('reference') });
    }
  });

  it('publint finds nothing', () => {
    expect(run(bin.publint, ['--strict', '--level', 'suggestion', tarball], packed.folder)).toMatchObject({ status: 0 });
  });

  it('arethetypeswrong finds nothing', () => {
    // An ES module is what it is: CommonJS requires it on Node 20.19 and later, where the tool still tells of an import() before.
    const flags = ['--profile', 'esm-only', '--format', 'ascii', tarball, '--exclude-entrypoints', ...FILES];
    const { status, stdout } = run(bin.attw, flags, packed.folder);
    expect(status, stdout).toBe(0);
  });
});

/** It cannot run here: its binary is not on npm. */
const electron = join(tools, 'electron', 'electron.d.ts');
it.skipIf(!existsSync(electron))('the example of Electron is sound to the compiler', { tags: ['slow'] }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-electron-'));
  try {
    const paths = { electron: [electron], ingot: [join(repoRoot, 'src', 'node', 'index.ts')] };
    const compilerOptions = { noEmit: true, rootDir: '/', paths, typeRoots: [join(repoRoot, 'node_modules', '@types')] };
    const files = ['electron-main.ts', 'next-route.ts'].map((name) => join(repoRoot, 'examples', 'apps', name));
    const settings = { extends: join(repoRoot, 'tsconfig.json'), compilerOptions, include: [], files };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
    const tsc = join(repoRoot, 'node_modules', 'typescript', 'bin', 'tsc');
    expect(run([process.execPath], [tsc, '-p', folder], folder)).toEqual({ status: 0, stdout: '', stderr: '' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
