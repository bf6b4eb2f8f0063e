/**
 * Verifies the GPU executor on a machine that has no test runner: one line a check, with its figures; exit code 1 where one failed.
 * Usage: node bench/gpu-check.mjs [--device gpu|software] [--quick] [--only NAME,...] [--model-dir DIR] [--fixtures DIR] [--json FILE]
 * Needs dist/ (npm run build), the package webgpu and test/fixtures/, nothing else. --quick is for software adapters: small models, few
 * tokens. Synthetic files are kept where --model-dir says, else removed at the end. Every group of checks runs in a process of its own, so
 * that a crash or a hang of a driver costs one group. INGOT_COMMIT names the commit where there is no clone.
 */
import { fork } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeCommit, describeMachine } from '../dist/bench/machine.js';
import { packageRoot } from '../dist/node/package-root.js';
import { profileFor } from '../dist/gpu/profile/profile-for.js';
import { findAdapter } from '../dist/node/gpu-adapter.js';
import { checkChunks } from './gpu-check/chunks.mjs';
import { checkEmber } from './gpu-check/ember.mjs';
import { checkEvaluation } from './gpu-check/evaluation.mjs';
import { checkGoldens } from './gpu-check/goldens.mjs';
import { checkKernels } from './gpu-check/kernels.mjs';
import { checkLost, checkReload } from './gpu-check/recovery.mjs';
import { checkSampling } from './gpu-check/sampling.mjs';
import { checkSteps } from './gpu-check/steps.mjs';

const GROUPS = {
  goldens: checkGoldens, ember: checkEmber, evaluation: checkEvaluation, steps: checkSteps, chunks: checkChunks,
  kernels: checkKernels, sampling: checkSampling, lost: checkLost, reload: checkReload,
};
/** Seconds after which a group counts as hung. */
const LIMIT_S = { gpu: 300, software: 1500 };

const { values: options } = parseArgs({
  options: {
    device: { type: 'string', default: 'gpu' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: Object.keys(GROUPS).join(',') },
    'model-dir': { type: 'string' },
    fixtures: { type: 'string', default: join(packageRoot, 'test', 'fixtures') },
    json: { type: 'string' },
    /** Set for the process of one group. */
    'in-process': { type: 'boolean', default: false },
  },
});
const names = options.only.split(',');
const unknown = names.find((name) => !(name in GROUPS));
if (unknown !== undefined) throw new Error(`--only takes names out of ${Object.keys(GROUPS).join(', ')}, found ${unknown}`);
if (!(options.device in LIMIT_S)) throw new Error(`--device must be gpu or software, found ${options.device}`);

if (options['in-process']) await runGroup(names[0]);
else process.exitCode = (await runGroups()) ? 0 : 1;

/** One group, here; results go to the parent. */
async function runGroup(name) {
  const adapterKind = options.device === 'gpu' ? 'hardware' : 'software';
  const found = await findAdapter(adapterKind);
  if (found.adapter === undefined) throw new Error(found.problem);
  const profile = profileFor(found.facts);
  const on = { device: found.description, driver: found.facts.description, profile: profile.name };
  let lastAt = performance.now();
  const report = (what, passed, figures) => {
    const seconds = (performance.now() - lastAt) / 1000;
    lastAt = performance.now();
    process.send({ ...on, check: name, what, passed, figures, seconds });
  };
  const context = {
    device: options.device, isQuick: options.quick, adapterKind, profile, report,
    fixtures: options.fixtures, modelDir: options['model-dir'],
    // Half of the cores: the GPU's side runs at the same time.
    threads: Math.max(1, Math.min(16, availableParallelism() >> 1)),
  };
  try {
    await GROUPS[name](context);
  } catch (error) {
    report('runs', false, { error: error instanceof Error ? error.message : String(error) });
    console.error(error);
  }
  process.disconnect();
}

/** All groups, one after the other. Resolves to whether nothing failed. */
async function runGroups() {
  const modelDir = options['model-dir'] ?? mkdtempSync(join(tmpdir(), 'ingot-gpu-check-'));
  mkdirSync(modelDir, { recursive: true });
  if (options.json) mkdirSync(dirname(options.json), { recursive: true });
  const common = { bench: 'gpu-check', commit: await describeCommit(), machine: describeMachine(), isQuick: options.quick };
  const totals = { passed: 0, failed: 0 };
  const onResult = (result) => {
    totals[result.passed ? 'passed' : 'failed']++;
    console.log(
      `${result.passed ? 'PASS' : 'FAIL'} ${result.check}: ${result.what}  ${describeFigures(result.figures)}  ` +
        `(${result.seconds.toFixed(1)} s)`,
    );
    if (options.json) appendFileSync(options.json, `${JSON.stringify({ time: new Date().toISOString(), ...common, ...result })}\n`);
  };
  const startedAt = performance.now();
  try {
    for (const name of names) await forkGroup(name, modelDir, onResult);
  } finally {
    if (options['model-dir'] === undefined) rmSync(modelDir, { recursive: true, force: true });
  }
  console.log(`${totals.passed} passed, ${totals.failed} failed  (${((performance.now() - startedAt) / 1000).toFixed(0)} s)`);
  return totals.failed === 0 && totals.passed > 0;
}

function forkGroup(name, modelDir, onResult) {
  const args = [
    '--in-process',
    '--only',
    name,
    '--device',
    options.device,
    '--fixtures',
    options.fixtures,
    '--model-dir',
    modelDir,
    ...(options.quick ? ['--quick'] : []),
  ];
  const child = fork(fileURLToPath(import.meta.url), args);
  let device = {};
  let count = 0;
  child.on('message', (result) => {
    device = { device: result.device, driver: result.driver, profile: result.profile };
    count++;
    onResult(result);
  });
  const startedAt = performance.now();
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_S[options.device] * 1000);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const seconds = (performance.now() - startedAt) / 1000;
      // A process that dies after its last check counts too: programs that use the library would die like that.
      if (code !== 0 || count === 0)
        onResult({
          ...device,
          check: name,
          what: 'its process ends by itself',
          passed: false,
          figures: { code, signal, results: count },
          seconds,
        });
      resolve();
    });
  });
}

function describeFigures(figures) {
  const format = (value) =>
    typeof value === 'number' && !Number.isInteger(value)
      ? Number(value.toPrecision(3))
      : typeof value === 'object'
        ? JSON.stringify(value)
        : value;
  return Object.entries(figures).map(([name, value]) => `${name} ${format(value)}`).join(', ');
}
