import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repoRoot } from '../house/repository.ts';

const dist = join(repoRoot, 'dist');
const isBuilt = existsSync(join(dist, 'node', 'gpu-adapter.js'));
const isSoftware = process.env['INGOT_SOFTWARE_GPU'] === '1';

interface Answer {
  readonly kind: string;
  readonly found: boolean;
  readonly problem?: string;
  /** Of the processor. */
  readonly tookMs: number;
}

/** In a process of its own: loading and leaving Dawn is what is tested. */
function run(mode: string, { root = repoRoot, env = {} }: { readonly root?: string; readonly env?: Record<string, string> } = {}) {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', join(root, 'test', 'gpu', 'adapter-child.mjs'), mode],
    {
      encoding: 'utf8',
      env: { ...process.env, ...env },
      // Of one that would not end, however busy the machine is.
      timeout: 90_000,
      killSignal: 'SIGKILL',
    },
  );
  return { status: status ?? signal, stdout, stderr };
}

describe.skipIf(!isBuilt || !isSoftware)('leaving the process', { timeout: 120_000 }, () => {
  it.each(['destroyed', 'left', 'exit', 'collected'])('%s: ends by itself, in silence', (mode) => {
    expect(run(mode)).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('rejects what is pending', () => {
    expect(run('pending')).toMatchObject({ status: 0, stdout: 'The GPU device was closed.\n', stderr: '' });
  });
});

describe.skipIf(!isBuilt)('finding an adapter', { timeout: 120_000 }, () => {
  it.skipIf(!isSoftware)('takes a software adapter only when asked', () => {
    const { status, stdout, stderr } = run('find');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [hardware, software] = JSON.parse(stdout) as Answer[];
    expect(software).toMatchObject({ found: true });
    if (!hardware.found) expect(hardware.problem).toMatch(/no GPU here, only a software adapter \(SwiftShader\)/);
  });

  it.skipIf(process.platform !== 'linux')('without Vulkan: says so at once, in silence, and remembers', () => {
    const { status, stdout, stderr } = run('find', { env: { LD_LIBRARY_PATH: '', VK_ICD_FILENAMES: '', VK_DRIVER_FILES: '' } });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [first, , again] = JSON.parse(stdout) as Answer[];
    if (first.found) return;
    expect(first.problem).toMatch(/Vulkan/);
    expect(first.tookMs).toBeLessThan(2000);
    expect(again.problem).toBe(first.problem);
    // Ten milliseconds are what a clock of the processor may have for a tick.
    expect(again.tookMs).toBeLessThan(50);
  });

  it('where the package webgpu cannot be loaded: says so', () => {
    const root = mkdtempSync(join(tmpdir(), 'ingot-no-webgpu-'));
    try {
      mkdirSync(join(root, 'test', 'gpu'), { recursive: true });
      cpSync(join(repoRoot, 'test', 'gpu', 'adapter-child.mjs'), join(root, 'test', 'gpu', 'adapter-child.mjs'));
      cpSync(dist, join(root, 'dist'), { recursive: true });
      cpSync(join(repoRoot, 'package.json'), join(root, 'package.json'));
      const { status, stdout, stderr } = run('find', { root });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const answers = JSON.parse(stdout) as Answer[];
      expect(answers.map(({ found }) => found)).toEqual([false, false, false]);
      if (isSoftware) expect(answers[0].problem).toMatch(/package webgpu has no working binary for .*Cannot find package 'webgpu'/);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
