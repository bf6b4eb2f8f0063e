import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consumers, typeSettings } from './package-consumers.ts';
import { installPacked, npm } from './packed-package.ts';
import type { PackedPackage } from './packed-package.ts';
import { repoRoot } from './repository.ts';

interface Manifest {
  name: string;
  bin: Record<string, string>;
  exports: Record<string, string | { types?: string; default?: string }>;
}

// 12 MB are the bundled model, 5.5 the app as static files, of which 1.2 are the voice detector that its page loads.
const maxUnpackedBytes = 28e6;
const manifest = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')) as Manifest;
const entries = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === 'string' ? [] : [name.replace('.', manifest.name)],
);
/** What an entry is known by. */
const MAINS: Readonly<Record<string, string>> = {
  'ingot/server': 'createServer', 'ingot/ai-sdk': 'createIngot', 'ingot/browser/load': 'loadModel',
};
const mainOf = (entry: string) => MAINS[entry] ?? 'createModel';
const { nodeBinary, nodeMajors, ownMajor } = (await import(join(repoRoot, 'scripts', 'peers.mjs'))) as {
  nodeBinary(major: number): string | undefined;
  nodeMajors: number[];
  ownMajor: number;
};

describe('npm pack', () => {
  let packed: PackedPackage;
  let folder: string;
  let paths: string[];

  beforeAll(() => {
    packed = installPacked();
    folder = packed.folder;
    paths = packed.report.files.map(({ path }) => path);
  });
  afterAll(() => packed?.remove());

  it('holds the library, the licence and nothing that only we need', () => {
    expect(paths).toContain('LICENSE');
    expect(paths.filter((path) => !/^(dist|models)\/|^(package\.json|README\.md|LICENSE)$/.test(path))).toEqual([]);
    expect(paths.filter((path) => /\.test\.|\.map$|fixtures|tsbuildinfo|\.build\.json/.test(path))).toEqual([]);
    // Of declarations, those that an entry leads to.
    expect(paths.filter((path) => /^dist\/(cli|bench)\/.*\.d\.ts$/.test(path))).toEqual([]);
    expect(packed.report.unpackedSize).toBeLessThan(maxUnpackedBytes);
  });

  it('holds every file that package.json promises', () => {
    const promised = [...Object.values(manifest.exports), ...Object.values(manifest.bin)]
      .flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)))
      .map((path) => path.replace('./', ''));
    const isThere = (path: string) =>
      path.includes('*') ? paths.some((each) => each.startsWith(path.split('*')[0])) : paths.includes(path);
    expect(promised.filter((path) => !isThere(path))).toEqual([]);
  });

  it('says types before code in every entry, so that compilers find them', () => {
    for (const [name, target] of Object.entries(manifest.exports)) {
      if (typeof target === 'string') expect(target, name).toMatch(/\.wasm$|^\.\/models\/|\.json$|\.min\.js$/);
      else expect(Object.keys(target), name).toEqual(['types', 'default']);
    }
  });

  it.each(entries)('%s can be imported elsewhere', (entry) => {
    expect(node(['--input-type=module', '-e', `console.log(typeof (await import('${entry}')).${mainOf(entry)})`]).stdout.trim()).toBe(
      'function',
    );
  });

  it('hints once, as a warning of Node, that a bare prompt is rarely meant for a model of chats', () => {
    const program = `import { bundledModelPath, collect, loadModel } from 'ingot';
      const model = await loadModel(bundledModelPath(), { device: 'cpu', contextLength: 64, threads: 1 });
      for (const prompt of ['Once', 'One']) await collect(model.generate({ prompt, maxTokens: 1 }));
      await model.dispose();`;
    const run = (...flags: string[]) => node([...flags, '--input-type=module', '-e', program]).stderr;
    expect(run().match(/IngotHint: generate\(\{ prompt \}\) continues a text/g)).toHaveLength(1);
    expect(run('--no-warnings')).toBe('');
  });

  it('gives the kernels and the bundled model by name', () => {
    const program = `import { readFileSync } from 'node:fs';
      for (const name of ['wasm/cpu.wasm', 'wasm/cpu-relaxed.wasm', 'models/ember-21m-q4_0.gguf'])
        console.log(JSON.stringify(readFileSync(new URL(import.meta.resolve('ingot/' + name))).toString('latin1', 0, 4)));`;
    expect(node(['--input-type=module', '-e', program]).stdout.trim().split('\n')).toEqual(['"\\u0000asm"', '"\\u0000asm"', '"GGUF"']);
  });

  const majors = [...new Set([ownMajor, ...nodeMajors])].map((major) => ({ major, binary: nodeBinary(major) }));
  describe.each(majors)('on Node $major', ({ major, binary }) => {
    it.skipIf(!binary)('can be required, without a warning, and runs', { tags: major === ownMajor ? [] : ['slow'] }, () => {
      const program = `const { bundledModelPath, collect, loadModel } = require('ingot');
        for (const [entry, main] of ${JSON.stringify(entries.map((entry) => [entry, mainOf(entry)]))})
          if (typeof require(entry)[main] !== 'function') throw new Error(entry);
        loadModel(bundledModelPath(), { device: 'cpu', contextLength: 128, threads: 2 }).then(async (model) => {
          const messages = [{ role: 'user', content: 'Hi' }];
          const answer = await collect(model.generate({ messages, temperature: 0, maxTokens: 3, ignoreEos: true }));
          console.log(answer.tokens.length, require('node:worker_threads').isMainThread);
          await model.dispose();
        });`;
      writeFileSync(join(folder, 'required.cjs'), program);
      expect(node(['required.cjs'], binary)).toEqual({ status: 0, stdout: '3 true\n', stderr: '' });
    });
  });

  it.each(typeSettings)('has types that strict programs compile against: $name', ({ options, takes }) => {
    const programs = consumers.filter(takes);
    for (const { file, source } of programs) writeFileSync(join(folder, file), source);
    const typeRoots = [join(repoRoot, 'node_modules', '@types')];
    const compilerOptions = { noEmit: true, strict: true, skipLibCheck: false, target: 'es2022', typeRoots, ...options };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: programs.map(({ file }) => file) }));
    const tsc = join(repoRoot, 'node_modules', 'typescript', 'bin', 'tsc');
    expect(node([tsc, '-p', 'tsconfig.json'])).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('runs as a command elsewhere', () => {
    expect(npm(['exec', '--offline', '--', 'ingot', '--help'], folder)).toMatch(/usage/i);
  });

  function node(args: string[], binary = process.execPath) {
    const { status, stdout, stderr } = spawnSync(binary, args, { cwd: folder, encoding: 'utf8' });
    return { status, stdout, stderr };
  }
});

describe('a clone', () => {
  it('comes onto PATH as the README says', () => {
    expect(readFileSync(join(repoRoot, 'README.md'), 'utf8')).toMatch(/npm run build\n +npm install -g \.\n/);
    const prefix = mkdtempSync(join(tmpdir(), 'ingot-prefix-'));
    try {
      npm(['install', '-g', '--prefix', prefix, '--offline', '--no-audit', '--no-fund', '.'], repoRoot);
      const command = process.platform === 'win32' ? join(prefix, 'ingot.cmd') : join(prefix, 'bin', 'ingot');
      expect(execFileSync(command, ['--help'], { encoding: 'utf8', cwd: prefix, shell: process.platform === 'win32' })).toMatch(/usage/i);
    } finally {
      rmSync(prefix, { recursive: true, force: true });
    }
  });
});
