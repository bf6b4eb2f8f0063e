// The lane `gpu`: vitest's project of that name on the software adapter, or on whatever adapter there is where that cannot be had.
// It says which adapter that was and which kernel variants ran there.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { repoRoot } from './install.mjs';
import { softwareGpuEnvironment, softwareGpuProblem } from './software-gpu.mjs';
import { runVitest, skip } from './test-lane.mjs';

/** Looks for an adapter in a process of its own, since the loader reads the environment at its start. */
const probe = `
const { findAdapter } = await import(process.argv[1]);
const software = await findAdapter('software');
const found = software.adapter ? software : await findAdapter('hardware');
console.log(JSON.stringify(found.adapter
  ? { name: found.description, features: found.facts.features, subgroups: found.facts.subgroupSizes }
  : { problem: found.problem }));
`;

function findAdapter(env) {
  const module = pathToFileURL(join(repoRoot, 'dist', 'node', 'gpu-adapter.js')).href;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', probe, module], {
    env,
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (status !== 0) throw new Error(`looking for a WebGPU adapter ended with ${status}: ${stderr.trim().split('\n').at(-1)}`);
  return JSON.parse(stdout);
}

/**
 * Runs the lane; in CI it prints every variant instead of a summary, and takes no adapter but the software one.
 * @param {import('./test-lane.mjs').LaneContext} context
 */
export async function runGpuLane(context) {
  const noSoftware = softwareGpuProblem();
  if (noSoftware && context.inCi) return skip('the GPU tests', `CI runs them on the software adapter alone: ${noSoftware}`);
  const env = { ...process.env, ...(noSoftware ? {} : softwareGpuEnvironment()) };
  const { problem, name, features, subgroups } = findAdapter(env);
  if (problem) return skip('the GPU tests', [noSoftware, problem].filter(Boolean).join('; '));
  process.stdout.write(
    `adapter: ${name}; subgroups ${subgroups?.join(' to ') ?? 'none'}; ${features.includes('shader-f16') ? 'f16' : 'no f16'}\n`,
  );
  const folder = mkdtempSync(join(tmpdir(), 'ingot-gpu-'));
  const variants = join(folder, 'variants.txt');
  try {
    const result = await runVitest('gpu', { context, env: { ...env, INGOT_GPU_VARIANTS: variants } });
    const keys = existsSync(variants) ? [...new Set(readFileSync(variants, 'utf8').trim().split('\n'))].toSorted() : [];
    printVariants(keys, { listAll: context.inCi });
    return { ...result, notes: [...result.notes, `ran on ${name}: ${keys.length} kernel variants`] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string[]} keys `name {variant}`, sorted */
function printVariants(keys, { listAll }) {
  const families = groupByFamily(keys);
  process.stdout.write(`\nkernel variants that ran: ${keys.length}\n`);
  for (const [family, members] of families) {
    process.stdout.write(`  ${family}: ${members.length}\n`);
    if (listAll) for (const key of members) process.stdout.write(`    ${key.slice(family.length + 1)}\n`);
  }
}

const familyOf = (key) => key.split(' ', 1)[0];

function groupByFamily(keys) {
  const families = new Map();
  for (const key of keys) families.set(familyOf(key), [...(families.get(familyOf(key)) ?? []), key]);
  return families;
}
