import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { EngineSettings } from '../engine.ts';
import { llamaBenchEngine } from './llama-bench-engine.ts';

it.skipIf(process.platform === 'win32')('says of llama-bench what the program says that it took', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-llama-bench-'));
  try {
    const program = join(folder, 'llama-bench');
    // It takes one thread fewer than it is asked for.
    const row =
      "{ build_commit: 'abc', build_number: 7, backends: 'CPU', cpu_info: 'a processor', gpu_info: '', avg_ts: 42, n_gpu_layers: 0, " +
      "n_threads: Number(args[args.indexOf('-t') + 1]) - 1, n_batch: 512, n_ubatch: 256, flash_attn: 1, type_k: 'f16', type_v: 'q8_0' }";
    writeFileSync(program, `#!${process.execPath}\nconst args = process.argv;\nconsole.log(JSON.stringify([${row}]));\n`, { mode: 0o755 });
    const settings: EngineSettings = { modelPath: 'm.gguf', program, device: 'cpu', threads: 4, contextLength: 64, purpose: 'tokens' };
    expect(llamaBenchEngine.problem(settings)).toBeUndefined();
    const open = await llamaBenchEngine.open(settings);
    expect(open.facts).toEqual({
      version: 'abc (build 7)', device: 'CPU (a processor)',
      flags: { gpuLayers: 0, batchSize: 512, physicalBatch: 256, flashAttention: true, threads: 3, kv: 'f16/q8_0' },
    });
    expect(await open.prefill!([1, 2])).toBe(42);
    // Another build of it is another engine.
    const build = llamaBenchEngine.build(settings);
    utimesSync(program, 1, 1);
    expect(llamaBenchEngine.build(settings)).not.toBe(build);
    expect(llamaBenchEngine.problem({ ...settings, program: join(folder, 'none') })).toContain('there is no program');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
