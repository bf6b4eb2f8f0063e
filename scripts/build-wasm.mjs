/**
 * Compiles src/cpu/assembly to dist/wasm/cpu.wasm (SIMD) and dist/wasm/cpu-relaxed.wasm (relaxed SIMD), side by side.
 * Does nothing where both are newer than every source; `--force` compiles anyway.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const sourceDir = join(root, 'src/cpu/assembly');
const outDir = join(root, 'dist/wasm');
const MODULES = [
  { file: 'cpu.wasm', relaxed: false },
  { file: 'cpu-relaxed.wasm', relaxed: true },
];

const timeOf = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs;
const sources = readdirSync(sourceDir).filter((name) => name.endsWith('.ts')).map((name) => join(sourceDir, name));
const newest = Math.max(...[...sources, fileURLToPath(import.meta.url)].map(timeOf));
const isFresh = MODULES.every(({ file }) => (timeOf(join(outDir, file)) ?? 0) > newest);

if (process.argv.includes('--force') || !isFresh) {
  mkdirSync(outDir, { recursive: true });
  const done = await Promise.all(MODULES.map(compile));
  if (done.includes(false)) {
    console.error('The WASM modules were not built: see the messages of the AssemblyScript compiler above.');
    process.exitCode = 1;
  }
}

async function compile({ file, relaxed }) {
  const asc = join(dirname(createRequire(import.meta.url).resolve('assemblyscript/package.json')), 'bin/asc.js');
  // Written beside and renamed, so that a build that another process runs at the same time never shows half a file.
  const partial = join(outDir, `.${process.pid}-${file}`);
  const args = [
    asc, join(sourceDir, 'index.ts'), '--outFile', partial, '--use', `RELAXED=${relaxed ? 1 : 0}`,
    '--enable', 'simd', '--enable', 'threads', ...(relaxed ? ['--enable', 'relaxed-simd'] : []),
    '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536',
    '--runtime', 'stub', '-O3', '--noAssert', '--disableWarning', '112',
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'], cwd: root });
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code === 0) renameSync(partial, join(outDir, file));
  else rmSync(partial, { force: true });
  return code === 0;
}
