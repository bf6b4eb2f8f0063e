// The lanes of `npm test`, in their order: the quick set, short ones first, then what only `--all` runs.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runGpuLane } from './gpu-lane.mjs';
import { repoRoot } from './install.mjs';
import { nodeBinary, nodeMajors, ownMajor, peersRoot } from './peers.mjs';
import { check, failure, runVitest, skip, sumOf } from './test-lane.mjs';

const maxExampleLines = 40;
/** Examples in TypeScript run as they are from this Node on. */
const typeStrippingNode = 24;
const exampleTimeoutMs = 180_000;
const bin = (...path) => join(repoRoot, 'node_modules', ...path);
const otherMajors = nodeMajors.filter((major) => major !== ownMajor);
const noNode = (major) => `no Node ${major} for ${process.platform}-${process.arch} in peers/nodes`;

/**
 * `needs` names what is fetched before, beyond the package's own dependencies; `needsForAll` what its slow tests need besides.
 * @typedef {'peers' | 'nodes' | 'tools'} Need
 * @type {(import('./run-tests.mjs').Lane & { needs?: Need[], needsForAll?: Need[] })[]}
 */
export const testLanes = [
  command('build', 'src/ into dist/', { args: [join(repoRoot, 'scripts', 'build.mjs')], always: true }),
  command('lint', 'oxlint', { args: [bin('oxlint', 'bin', 'oxlint')] }),
  command('types', 'the compiler over sources and tests', { args: [bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.test.json'] }),
  kernels(ownMajor, { quick: true }),
  examples(ownMajor, { quick: true }),
  vitest('house', 'the package, its lockfiles, the tree', { needsForAll: ['nodes', 'tools'] }),
  vitest('core', 'readers, text, models, engine, CLI', {}),
  vitest('peers', 'against llama.cpp, and in Chromium', { needs: ['peers'], needsForAll: ['tools'], run: runPeers }),
  vitest('gpu', 'the GPU kernels on a software adapter', { needs: ['peers'], run: runGpuLane }),
  ...otherMajors.map((major) => kernels(major, { quick: false })),
  ...otherMajors.map((major) => examples(major, { quick: false })),
];

function command(name, does, { args, always = false }) {
  return { name, does, quick: true, always, run: (context) => check(name, args, { context }) };
}

function vitest(name, does, { run = (context) => runVitest(name, { context }), ...needs }) {
  return { name, does, quick: true, run, ...needs };
}

function kernels(major, { quick }) {
  const run = (context) => runKernels(major, context);
  return { name: `kernels-node${major}`, does: `the CPU kernels on Node ${major}`, quick, needs: quick ? [] : ['nodes'], run };
}

function examples(major, { quick }) {
  const run = (context) => runExamples(major, context);
  return { name: `examples-node${major}`, does: `the examples on Node ${major}`, quick, needs: quick ? [] : ['nodes'], run };
}

async function runPeers(context) {
  const llama = join(peersRoot, 'node_modules', 'node-llama-cpp');
  if (!existsSync(llama)) return skip('peers', 'node-llama-cpp is not installed');
  return runVitest('peers', { context });
}

async function runKernels(major, context) {
  const node = nodeBinary(major);
  if (!node) return skip(`kernels on Node ${major}`, noNode(major));
  // What differs between Nodes is the compiler of WebAssembly: the slow tests run once, on this one's.
  const all = context.all && major === ownMajor;
  return runVitest('kernels', { context: { ...context, all }, node, title: `kernels on Node ${major}` });
}

async function runExamples(major, context) {
  const node = nodeBinary(major);
  if (!node) return skip(`examples on Node ${major}`, noNode(major));
  const folder = join(repoRoot, 'examples');
  const names = readdirSync(folder).filter((name) => /\.(mjs|ts)$/.test(name) && !name.endsWith('.d.ts'));
  const results = [];
  for (const name of names.toSorted()) {
    if (name.endsWith('.ts') && major < typeStrippingNode) continue;
    process.stdout.write(`examples/${name}\n`);
    results.push(await runExample(name, { path: join(folder, name), major, node, context }));
  }
  return results.length === 0 ? failure('there is no example') : sumOf(results);
}

async function runExample(name, { path, major, node, context }) {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n').length;
  if (lines >= maxExampleLines) return failure(`examples/${name} has ${lines} lines, an example stays under ${maxExampleLines}`);
  return check(`examples/${name} on Node ${major}`, [path], { context, node, mustPrint: true, timeoutMs: exampleTimeoutMs });
}
