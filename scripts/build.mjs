// `npm run build`: TypeScript, WebAssembly and the app into dist/. Does nothing when the sources have not changed; --force builds anyway.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, repoRoot } from './install.mjs';

const dist = join(repoRoot, 'dist');
const assembly = join(repoRoot, 'src', 'cpu', 'assembly');
const wasmScript = join(repoRoot, 'scripts', 'build-wasm.mjs');
const appScript = join(repoRoot, 'scripts', 'build-app.mjs');
const isTest = (path) => path.endsWith('.test.ts');

function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name)).toSorted();
}

/** One line per group of sources; a line that changed says which half of the build is stale. */
function digest(paths) {
  const hash = createHash('sha256');
  for (const path of paths) {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${relative(repoRoot, path)} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

function sourceDigests() {
  const shared = ['package.json', 'package-lock.json', 'scripts/build.mjs'].map((name) => join(repoRoot, name));
  const all = filesUnder(join(repoRoot, 'src')).filter((path) => !isTest(path));
  const wasm = all.filter((path) => path.startsWith(assembly));
  const typescript = all.filter((path) => !path.startsWith(assembly));
  const wasmBuild = existsSync(wasmScript) ? [wasmScript] : [];
  const compiled = digest([...typescript, join(repoRoot, 'tsconfig.json'), ...shared]);
  return {
    typescript: compiled,
    wasm: digest([...wasm, ...wasmBuild, ...shared]),
    // It has the compiled engine in it.
    app: `${digest([...filesUnder(join(repoRoot, 'app')), appScript])} ${compiled}`,
  };
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(join(dist, '.build.json'), 'utf8'));
  } catch {
    return {};
  }
}

function runNode(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: repoRoot, stdio: ['ignore', 2, 2] });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${relative(repoRoot, args[0])} failed (${signal ?? `exit ${code}`}); what it said is above`));
    });
  });
}

/** Outputs whose source has gone would still be imported and packed. */
function pruneOrphans() {
  for (const path of filesUnder(dist)) {
    if (path.startsWith(join(dist, 'app'))) continue;
    const match = /^(.*?)(\.d\.ts|\.js|\.js\.map|\.d\.ts\.map)$/.exec(relative(dist, path));
    if (!match || path.endsWith('.min.js')) continue;
    const source = join(repoRoot, 'src', match[1]);
    if (!['.ts', '.mts', '.d.ts'].some((extension) => existsSync(source + extension))) rmSync(path);
  }
}

/** Declarations that no entry of the package leads to are of no use to anybody: five in six. */
function pruneDeclarations() {
  const { exports } = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8'));
  const reached = new Set();
  const visit = (path) => {
    if (reached.has(path)) return;
    reached.add(path);
    const imports = readFileSync(path, 'utf8').matchAll(/\b(?:from|import\()\s*['"](\.[^'"]+)['"]/g);
    for (const [, specifier] of imports) visit(join(dirname(path), specifier.replace(/\.[jt]s$/, '.d.ts')));
  };
  for (const { types } of Object.values(exports)) if (types) visit(join(repoRoot, types));
  for (const path of filesUnder(dist)) if (path.endsWith('.d.ts') && !reached.has(path)) rmSync(path);
}

/** Files of packages that pages carry: in the package as they are, so that whoever installs it installs none of them. */
function copyPageLibraries() {
  const into = join(dist, 'bench', 'report');
  mkdirSync(into, { recursive: true });
  for (const path of ['d3/dist/d3.min.js', '@observablehq/plot/dist/plot.umd.min.js'])
    copyFileSync(join(repoRoot, 'node_modules', path), join(into, basename(path)));
}

/**
 * The program of the browser's worker as one file: a page without a bundler would fetch hundreds of modules for each model, and bundlers
 * take it as it is.
 */
async function bundleWorker() {
  const { rolldown } = await import('rolldown');
  const input = join(dist, 'browser', 'engine-worker.js');
  const bundle = await rolldown({ input, platform: 'browser', onLog: refuseLog, checks: { pluginTimings: false } });
  const file = join(dist, 'browser', 'engine-worker.min.js');
  // Without an export nothing says that it is a module.
  await bundle.write({ file, format: 'esm', minify: true, codeSplitting: false, comments: { legal: false }, postFooter: 'export {};' });
  await bundle.close();
}

/** What a bundler warns of fails in somebody's browser. */
function refuseLog(level, { message }) {
  if (level === 'warn') throw new Error(message);
}

async function buildTypeScript() {
  await runNode([join(repoRoot, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.json']);
  pruneOrphans();
  pruneDeclarations();
  copyPageLibraries();
  await bundleWorker();
  const cli = join(dist, 'cli', 'main.js');
  if (existsSync(cli)) chmodSync(cli, 0o755);
}

async function buildWasm() {
  if (existsSync(wasmScript)) await runNode([wasmScript]);
}

/** About a second: the app's bundler reads what the compiler has made. */
async function buildApp() {
  await runNode([appScript]);
}

/** Brings dist/ up to date with src/, and with app/ unless `hasApp` is false. Throws when the compiler finds an error. */
export async function build({ force = false, hasApp = true } = {}) {
  ensureInstalled(repoRoot, { label: 'packages' });
  const digests = sourceDigests();
  const stamp = force ? {} : readStamp();
  if (!hasApp) digests.app = stamp.app;
  const stale = Object.keys(digests).filter((name) => stamp[name] !== digests[name]);
  if (stale.length === 0) return false;
  const startMs = Date.now();
  process.stderr.write('ingot: building ...\n');
  mkdirSync(dist, { recursive: true });
  rmSync(join(dist, '.build.json'), { force: true });
  const steps = [stale.includes('typescript') && buildTypeScript(), stale.includes('wasm') && buildWasm()];
  const failed = (await Promise.allSettled(steps)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  if (stale.includes('app')) await buildApp();
  writeFileSync(join(dist, '.build.json'), JSON.stringify(digests));
  process.stderr.write(`ingot: built in ${((Date.now() - startMs) / 1000).toFixed(1)} s\n`);
  return true;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const built = await build({ force: process.argv.includes('--force') });
    if (!built) process.stderr.write('ingot: dist is up to date\n');
  } catch (error) {
    process.stderr.write(`ingot: build failed: ${error.message}\n`);
    process.exitCode = 1;
  }
}
