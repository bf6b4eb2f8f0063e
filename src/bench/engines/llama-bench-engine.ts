/** llama.cpp's own llama-bench: the same kernels as node-llama-cpp without sampling in JavaScript. One process for each figure. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import type { Engine, EngineSettings, OpenEngine } from '../engine.ts';
import { LLAMA_BATCH_SIZES } from './llama-engine.ts';

const execute = promisify(execFile);
const MOST_OUTPUT_BYTES = 1 << 24;

interface BenchRow {
  readonly build_commit: string;
  readonly build_number: number;
  readonly backends: string;
  readonly gpu_info: string;
  readonly cpu_info: string;
  /** Tokens per second. */
  readonly avg_ts: number;
}

export const llamaBenchEngine: Engine = {
  name: 'llama-bench',
  workloads: ['prefill', 'decode'],
  batchSizes: LLAMA_BATCH_SIZES,
  problem({ modelPath, program }) {
    if (!modelPath.toLowerCase().endsWith('.gguf')) return 'it reads GGUF files only';
    if (program === undefined) return 'give the path of the program by --llama-bench or LLAMA_BENCH (bench/README.md says how to build it)';
    return existsSync(program) ? undefined : `there is no program ${program}`;
  },
  open: async (settings) => {
    const flags = flagsOf(settings);
    // Only a run says what build it is and which device it uses.
    const first = await run(settings, ['-p', '1', '-n', '0', '--no-warmup']);
    return openEngine(settings, {
      version: `${first.build_commit} (build ${first.build_number})`,
      device: settings.device === 'gpu' ? `${first.backends} (${first.gpu_info})` : `${first.backends} (${first.cpu_info})`,
      flags,
    });
  },
};

function flagsOf({ device, threads, batchSize }: EngineSettings) {
  return {
    gpuLayers: device === 'gpu' ? 99 : 0,
    batchSize: batchSize ?? LLAMA_BATCH_SIZES[0],
    flashAttention: true,
    threads: threads ?? availableParallelism(),
    kv: 'f16',
  };
}

async function run(settings: EngineSettings, args: readonly string[]): Promise<BenchRow> {
  const { gpuLayers, batchSize, threads } = flagsOf(settings);
  const flags = [
    '-m',
    settings.modelPath,
    '-t',
    String(threads),
    '-ngl',
    String(gpuLayers),
    '-fa',
    '1',
    '-b',
    String(batchSize),
    '-ub',
    String(batchSize),
    '-r',
    '1',
    '-o',
    'json',
    ...args,
  ];
  const { stdout } = await execute(settings.program!, flags, { maxBuffer: MOST_OUTPUT_BYTES });
  const [row] = JSON.parse(stdout) as BenchRow[];
  if (row === undefined) throw new Error(`${settings.program} measured nothing`);
  return row;
}

function openEngine(settings: EngineSettings, facts: OpenEngine['facts']): OpenEngine {
  return {
    facts,
    prefill: async (ids) => (await run(settings, ['-p', String(ids.length), '-n', '0'])).avg_ts,
    decode: async (ids, count) => (await run(settings, ['-p', '0', '-n', String(count), '-d', String(ids.length)])).avg_ts,
    close: async () => {},
  };
}
