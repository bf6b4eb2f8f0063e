/**
 * `ingot kernels MODEL --profile NAME --dump DIR`, for every profile: the files are the modules that the profile's plan may run, and
 * compile.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { registerKernels } from '../../src/cli/kernels.ts';
import { kernelsOfModel } from '../../src/gpu/plan/model-plan.ts';
import { reportDecode, reportPrefill } from '../../src/gpu/plan/plan-report.ts';
import { PROFILE_NAMES } from '../../src/gpu/profile/profiles.ts';
import { MATRIX_FEATURE } from '../../src/gpu/wgsl/subgroup-matrix.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { planForProfile } from '../../src/node/gpu-plan.ts';
import { fixturesPath } from '../fixture-tensors.ts';
import { createNullGpu } from '../gpu-harness.ts';

/** Weights in blocks with head norms; float weights with biases. */
const MODELS = [['ember', bundledModelPath()], ['llama_bias', `${fixturesPath}golden/llama_bias`]] as const;

const gpu = createNullGpu();
let device: GPUDevice;
let folder = '';
beforeAll(async () => {
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error('no null adapter');
  device = await adapter.requestDevice({ requiredFeatures: ['subgroups', 'shader-f16', MATRIX_FEATURE as GPUFeatureName] });
  folder = mkdtempSync(join(tmpdir(), 'ingot-kernels-'));
});
afterAll(() => {
  device?.destroy();
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => void vi.restoreAllMocks());

/** Runs the command in this process; what it prints. */
async function kernels(...args: readonly string[]): Promise<string> {
  let printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  const program = new Command();
  registerKernels(program);
  await program.parseAsync(['kernels', ...args], { from: 'user' });
  vi.restoreAllMocks();
  return printed;
}

async function errorsOf(code: string): Promise<readonly string[]> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  if ((await device.popErrorScope()) === null) return [];
  const { messages } = await module.getCompilationInfo();
  return messages.map(({ lineNum, message }) => `line ${lineNum}: ${message}`);
}

describe.each(MODELS)('the kernels of %s', (name, path) => {
  it.each(PROFILE_NAMES)('for %s are written, and compile', async (profile) => {
    const into = join(folder, `${name}-${profile}`);
    const printed = await kernels(path, '--profile', profile, '--dump', into);
    const plan = await planForProfile(path, { profile });
    const wanted = kernelsOfModel(plan);
    const files = readdirSync(into).toSorted().map((file) => ({ file, text: readFileSync(join(into, file), 'utf8') }));
    expect(files.map(({ text }) => text)).toEqual(wanted.map(({ label, key, wgsl }) => `// ${label}\n// ${key}\n${wgsl}`));
    // A key a text; no text has two keys.
    expect(new Set(wanted.map(({ key }) => key)).size).toBe(wanted.length);
    const keysOf = new Map<string, string[]>();
    for (const { wgsl, key } of wanted) keysOf.set(wgsl, [...(keysOf.get(wgsl) ?? []), key]);
    expect([...keysOf.values()].filter(({ length }) => length > 1)).toEqual([]);
    expect(printed).toContain(`${wanted.length} modules written to ${into}`);
    expect(printed).toContain(`decode, 128 keys: ${reportDecode(plan, 128).dispatches.length} dispatches, `);
    expect(printed).toContain(`prefill, ${plan.maxRows} rows: ${reportPrefill(plan, plan.maxRows).dispatches.length} dispatches, `);
    for (const { file, text } of files) expect(await errorsOf(text), file).toEqual([]);
  });
});

it('what does not compile is found', async () => {
  expect(await errorsOf('fn main( {')).not.toEqual([]);
});
