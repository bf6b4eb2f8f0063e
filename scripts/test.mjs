// `npm test [LANE...]`: installs on first use, runs every lane (or the named ones) and closes with one line of counts.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runGpuLane } from './gpu-lane.mjs';
import { ensureInstalled, repoRoot } from './install.mjs';
import { ensurePeers, nodeBinary } from './peers.mjs';
import { check, runVitest, runStep, skip } from './test-lane.mjs';

const nodeMajors = [20, 22, 24, 26];
const maxExampleLines = 40;
/** Examples in TypeScript run as they are from this Node on. */
const typeStrippingNode = 24;
const bin = (...path) => join(repoRoot, 'node_modules', ...path);
const inCi = Boolean(process.env.CI) && process.env.CI !== 'false';

const tsc = [bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.test.json'];

/** @type {{ name: string, run: () => Promise<import('./test-lane.mjs').LaneResult> }[]} */
const lanes = [
  { name: 'build', run: () => check('build', [join(repoRoot, 'scripts', 'build.mjs')]) },
  { name: 'lint', run: () => check('lint', [bin('oxlint', 'bin', 'oxlint')]) },
  { name: 'types', run: () => check('types', tsc) },
  { name: 'core', run: () => runVitest('core') },
  { name: 'gpu', run: () => runGpuLane({ listAll: inCi }) },
  { name: 'peers', run: runPeers },
  ...nodeMajors.map((major) => ({ name: `kernels-node${major}`, run: () => runKernels(major) })),
  ...nodeMajors.map((major) => ({ name: `examples-node${major}`, run: () => runExamples(major) })),
  { name: 'house', run: () => runVitest('house') },
];

let peersProblem;

async function runPeers() {
  const llama = join(repoRoot, 'peers', 'node_modules', 'node-llama-cpp');
  if (peersProblem || !existsSync(llama)) return skip('peers', peersProblem ?? 'node-llama-cpp is not installed');
  return runVitest('peers');
}

const noNode = (major) => `no Node ${major} for ${process.platform}-${process.arch} among the peers`;

async function runKernels(major) {
  const node = nodeBinary(major);
  if (!node) return skip(`kernels on Node ${major}`, noNode(major));
  return runVitest('kernels', { node, title: `kernels on Node ${major}` });
}

async function runExamples(major) {
  const folder = join(repoRoot, 'examples');
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /\.(mjs|ts)$/.test(name) && !name.endsWith('.d.ts')) : [];
  const total = { passed: 0, failed: 0, skipped: 0, unexcused: 0, notes: [] };
  for (const name of names.toSorted()) {
    if (name.endsWith('.ts') && major < typeStrippingNode) continue;
    const result = await runExample(name, { path: join(folder, name), major });
    for (const key of ['passed', 'failed', 'skipped', 'unexcused']) total[key] += result[key];
    total.notes.push(...result.notes);
  }
  return total;
}

async function runExample(name, { path, major }) {
  const node = nodeBinary(major);
  if (!node) return skip(`examples/${name} on Node ${major}`, noNode(major));
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n').length;
  if (lines >= maxExampleLines)
    return {
      passed: 0,
      failed: 1,
      skipped: 0,
      unexcused: 0,
      notes: [`examples/${name} has ${lines} lines, an example stays under ${maxExampleLines}`],
    };
  return check(`examples/${name} on Node ${major}`, [path], { node, mustPrint: true, timeoutMs: 180_000 });
}

function installPeers() {
  try {
    ensurePeers();
  } catch (error) {
    peersProblem = error.message;
    process.stderr.write(`ingot: the peers could not be installed: ${error.message}\n`);
  }
}

function chosenLanes(names) {
  if (names.length === 0) return lanes;
  const unknown = names.filter((name) => !lanes.some((lane) => lane.name.startsWith(name)));
  if (unknown.length > 0) throw new Error(`no lane named ${unknown.join(', ')}; there are ${lanes.map(({ name }) => name).join(', ')}`);
  // Every other lane runs what the build made.
  return lanes.filter((lane) => lane.name === 'build' || names.some((name) => lane.name.startsWith(name)));
}

function printTable(rows) {
  const width = Math.max(...rows.map(({ name }) => name.length));
  process.stdout.write(`\n${'lane'.padEnd(width)}  passed  failed  skipped  seconds\n`);
  for (const { name, passed, failed, skipped, seconds } of rows) {
    const cells = [String(passed).padStart(6), String(failed).padStart(6), String(skipped).padStart(7), seconds.toFixed(1).padStart(7)];
    process.stdout.write(`${name.padEnd(width)}  ${cells.join('  ')}\n`);
  }
  for (const { name, notes } of rows) for (const note of notes) process.stdout.write(`${name}: ${note}\n`);
}

/** A machine may lack ../shared or a platform's build; CI lacks neither, so there such a skip is a test that nobody ran. */
function forbidSkips(rows) {
  for (const row of rows) {
    if (row.unexcused === 0) continue;
    row.failed += 1;
    row.notes.push(`CI has what ${row.unexcused} of the skipped tests need (../shared, the peers), so they must run there`);
  }
}

async function main() {
  ensureInstalled(repoRoot, { label: 'packages' });
  const chosen = chosenLanes(process.argv.slice(2));
  if (chosen.some(({ name }) => !['build', 'lint', 'types'].includes(name))) installPeers();
  const rows = [];
  for (const { name, run } of chosen) {
    process.stdout.write(`\n== ${name} ==\n`);
    const startMs = performance.now();
    const result = await runStep(run);
    rows.push({ name, ...result, seconds: (performance.now() - startMs) / 1000 });
  }
  if (inCi) forbidSkips(rows);
  printTable(rows);
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  process.stdout.write(`\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped\n`);
  process.exitCode = sum('failed') > 0 ? 1 : 0;
}

await main();
