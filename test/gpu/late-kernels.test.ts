/** Kernels that the first answer does not need compile later; matrix units are tried while a model loads. */
import { afterEach, expect, it, vi } from 'vitest';
import { openGpuDevice } from '../../src/gpu/device/gpu-device.ts';
import type { GpuDevice } from '../../src/gpu/device/gpu-device.ts';
import { areMatrixUnitsRight } from '../../src/gpu/device/probe-matrix-units.ts';
import { createGpuExecutor } from '../../src/gpu/gpu-executor.ts';
import type { DeviceProfile } from '../../src/gpu/profile/device-profile.ts';
import type { GpuProgram } from '../../src/gpu/program/gpu-program.ts';
import { MATRIX_CONFIGS } from '../../src/gpu/wgsl/subgroup-matrix.ts';
import type { Program } from '../../src/graph/executor.ts';
import { tokenRun } from '../../src/graph/decoder-steps.ts';
import { decoderOf } from '../../src/graph/model-graphs.ts';
import { findAdapter } from '../../src/node/gpu-adapter.ts';
import { createReferenceExecutor } from '../../src/reference/reference-executor.ts';
import { syntheticGraph, syntheticRequest, TINY } from '../synthetic-graph.ts';
import { compareRuns, sequence, setClock, TEST_PROFILES } from './executor-check.ts';

const request = syntheticRequest({
  graph: syntheticGraph({ ...TINY, layers: 1 }), typeOf: () => 'f32', kv: { type: 'f32', pageTokens: 8, maxPages: 20 },
});
const EMULATED = { ...MATRIX_CONFIGS.metalF32, emulated: true } as const;
const programs: Program[] = [];

vi.mock(import('../../src/gpu/device/probe-matrix-units.ts'), async (original) => {
  const module = await original();
  return { ...module, areMatrixUnitsRight: vi.fn(module.areMatrixUnitsRight) };
});

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(programs.splice(0).map((program) => program.dispose()));
});

interface Loaded {
  readonly program: Program;
  readonly gpu: GpuDevice;
  /** Texts of what was compiled so far, and its labels. */
  texts(): readonly string[];
  compiled(): readonly string[];
}

async function load(profile: DeviceProfile): Promise<Loaded> {
  const { adapter, problem } = await findAdapter('software');
  if (adapter === undefined) throw new Error(problem);
  const gpu = await openGpuDevice(adapter);
  const compile = vi.spyOn(gpu.device, 'createComputePipelineAsync');
  const translate = vi.spyOn(gpu.device, 'createShaderModule');
  const program = await createGpuExecutor({ open: async () => gpu, name: 'SwiftShader', kind: 'software', profile }).load(request);
  programs.push(program);
  const texts = () => translate.mock.calls.map(([{ code }]) => code);
  return { program, gpu, texts, compiled: () => compile.mock.calls.map(([{ label }]) => label ?? '') };
}

async function loadReference(): Promise<Program> {
  const program = await createReferenceExecutor().load(request);
  programs.push(program);
  return program;
}

it('what a prompt and its answer do not need is compiled when it is asked for', async () => {
  // On a clock that stands still a program never rests.
  setClock('still');
  const { program, compiled } = await load(TEST_PROFILES.float);
  const wanted = await loadReference();
  const run = (length: number, start: number) =>
    compareRuns({ wanted, found: program, tolerance: 2e-5, dispose: async () => {} }, [{ sequences: [sequence(length, { start })] }]);
  const atLoad = compiled().length;
  expect(compiled().some((label) => label.startsWith('attention-combine'))).toBe(false);
  await run(12, 0);
  await run(1, 12);
  expect(compiled()).toHaveLength(atLoad);
  // More keys than are attended to whole; a few rows.
  await run(1, 13);
  expect(compiled().some((label) => label.startsWith('attention-combine'))).toBe(true);
  await run(5, 14);
  expect(compiled().length).toBeGreaterThan(atLoad + 2);
});

it('the rest is compiled while the program has nothing to do, each kernel once; it can be closed meanwhile', async () => {
  const { program, gpu, compiled, texts } = await load(TEST_PROFILES.float);
  const atLoad = compiled().length;
  await vi.waitFor(() => expect(compiled().length).toBeGreaterThan(atLoad), { timeout: 50_000 });
  expect(new Set(texts()).size).toBe(texts().length);
  expect(gpu.isLost).toBe(false);
  await program.dispose();
  const atEnd = compiled().length;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(compiled()).toHaveLength(atEnd);
});

it('a kernel that does not compile then is an error of the call that needs it, and of no other', async () => {
  setClock('still');
  const { program, gpu } = await load(TEST_PROFILES.float);
  const wanted = await loadReference();
  const pair = { wanted, found: program, tolerance: 2e-5, dispose: async () => {} };
  await compareRuns(pair, [{ sequences: [sequence(12)] }]);
  const refuse = vi.spyOn(gpu.device, 'createComputePipelineAsync').mockRejectedValue(new Error('the driver is tired'));
  await expect(compareRuns(pair, [{ sequences: [sequence(5, { start: 12 })] }])).rejects.toThrow(/kernel .* does not compile:\nthe driver/);
  refuse.mockRestore();
  await compareRuns(pair, [{ sequences: [sequence(1, { start: 12 })] }]);
});

it.each([
  ['lacks', MATRIX_CONFIGS.metalF32, undefined],
  ['has, and gets wrong', EMULATED, false],
  ['has', EMULATED, true],
] as const)('a model is planned by matrix units, and again without those that its device %s', async (_, subgroupMatrix, areRight) => {
  const later = new Promise<boolean>((resolve) => setTimeout(resolve, 100, areRight));
  if (areRight !== undefined) vi.mocked(areMatrixUnitsRight).mockReturnValueOnce(later);
  const { program } = await load({ ...TEST_PROFILES.float, workgroupBytes: 16384, subgroupMatrix });
  const batch = { sequences: [sequence(12)] };
  await compareRuns({ wanted: await loadReference(), found: program, tolerance: 2e-5, dispose: async () => {} }, [batch]);
  const names = decoderOf(program.model);
  const { steps } = await (program as GpuProgram).runDispatches(tokenRun(names, batch.sequences, [names.logits]));
  expect(steps.some(({ label }) => label.includes('matrix'))).toBe(areRight === true);
});
