/** llama.cpp's own llama-bench: the same kernels as node-llama-cpp without sampling in JavaScript. One process for each figure. */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import type { Engine, EngineSettings, OpenEngine } from '../engine.ts';
import { programBuild, programPath } from './installed-program.ts';
import { LLAMA_BATCH_SIZES } from './llama-engine.ts';

const execute = promisify(execFile);
const MOST_OUTPUT_BYTES = 1 << 24;

interface BenchRow {
  readonly build_commit: string;
  readonly build_number: number;
  readonly backends: string;
  readonly gpu_info: string;
  readonly cpu_info: string;
  readonly n_gpu_layers: number;
  readonly n_batch: number;
  readonly n_ubatch: number;
  readonly n_threads: number;
  /** A number (-1: as it chooses) in newer builds. */
  readonly flash_attn: boolean | number;
  readonly type_k: string;
  readonly type_v: string;
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
    return programPath(program) === undefined ? `there is no program ${program}` : undefined;
  },
  build: ({ program }) => programBuild(program),
  open: async (settings) => {
    // Only a run says what build it is and what it takes.
    const first = await run(settings, ['-p', '1', '-n', '0', '--no-warmup']);
    return openEngine(settings, {
      version: `${first.build_commit} (build ${first.build_number})`,
      device: `${first.backends} (${settings.device === 'gpu' ? first.gpu_info : first.cpu_info})`,
      flags: flagsOf(first),
    });
  },
};

/** As the program says that it ran. */
function flagsOf(row: BenchRow): OpenEngine['facts']['flags'] {
  const { n_gpu_layers: gpuLayers, n_batch: batchSize, n_ubatch: physicalBatch, n_threads: threads, flash_attn, type_k, type_v } = row;
  const kv = type_k === type_v ? type_k : `${type_k}/${type_v}`;
  return { gpuLayers, batchSize, physicalBatch, flashAttention: flash_attn === true || flash_attn === 1, threads, kv };
}

async function run(settings: EngineSettings, args: readonly string[]): Promise<BenchRow> {
  const { device, modelPath, threads = availableParallelism(), batchSize = LLAMA_BATCH_SIZES[0] } = settings;
  const flags = [
    '-m', modelPath, '-t', String(threads), '-ngl', device === 'gpu' ? '99' : '0', '-fa', '1', '-b', String(batchSize),
    '-ub', String(batchSize), '-r', '1', '-o', 'json', ...args,
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
