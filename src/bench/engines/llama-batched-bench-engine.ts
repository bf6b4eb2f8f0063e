/** llama.cpp's own llama-batched-bench: streams of one length, all at once. One process for each figure. */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import type { Engine, EngineFacts, EngineSettings, OpenEngine } from '../engine.ts';
import { programBuild, programPath } from './installed-program.ts';
import type { ServedLoad, StreamRequest, StreamTimes } from '../stream-load.ts';

const execute = promisify(execFile);
const MOST_OUTPUT_BYTES = 1 << 24;
/** Tokens of one compute graph: of 512 and 2,048 the one with which the Vulkan build reads long prompts faster, most of the time. */
const BATCH_SIZE = 2048;
/** Of keys and values; the program is told. */
const KV_TYPE = 'f16';

interface BatchedRow {
  /** Seconds of reading all prompts, and of as many steps as an answer has tokens. */
  readonly t_pp: number;
  readonly t_tg: number;
}

export const llamaBatchedBenchEngine: Engine = {
  name: 'llama-batched-bench',
  workloads: ['concurrency'],
  batchSizes: [BATCH_SIZE],
  problem({ modelPath, program }) {
    if (!modelPath.toLowerCase().endsWith('.gguf')) return 'it reads GGUF files only';
    if (program === undefined)
      return 'give the path of the program by --llama-batched-bench or LLAMA_BATCHED_BENCH (bench/README.md says how to build it)';
    return programPath(program) === undefined ? `there is no program ${program}` : undefined;
  },
  build: ({ program }) => programBuild(program),
  open: async (settings) => openEngine(settings, await factsOf(settings)),
};

function flagsOf({ device, threads }: EngineSettings) {
  return {
    gpuLayers: device === 'gpu' ? 99 : 0,
    batchSize: BATCH_SIZE,
    flashAttention: true,
    threads: threads ?? availableParallelism(),
    kv: KV_TYPE,
  };
}

async function run({ program }: EngineSettings, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await execute(program as string, args, { maxBuffer: MOST_OUTPUT_BYTES });
  return `${stdout}\n${stderr}`;
}

async function factsOf(settings: EngineSettings): Promise<EngineFacts> {
  const flags = flagsOf(settings);
  const version = /version: (.+)/.exec(await run(settings, ['--version']))?.[1] ?? 'unknown';
  const names = settings.device === 'gpu' ? /Available devices:\s+(\S+: .+)/.exec(await run(settings, ['--list-devices'])) : null;
  return { version, device: names?.[1] ?? `cpu (${flags.threads} ${flags.threads === 1 ? 'thread' : 'threads'})`, flags };
}

/** What all requests have in common. @throws Error where they differ, or one comes later */
function commonLengths(requests: readonly StreamRequest[]): { readonly prompt: number; readonly answer: number } {
  const [prompts, answers] = [new Set(requests.map(({ ids }) => ids.length)), new Set(requests.map(({ answerTokens }) => answerTokens))];
  if (prompts.size !== 1 || answers.size !== 1 || requests.some(({ afterTokens = 0 }) => afterTokens > 0))
    throw new Error('all its streams are of one length, and begin at once');
  return { prompt: [...prompts][0] as number, answer: [...answers][0] as number };
}

/** One time in 25 the program ends before its log has been written to the end: then it runs again. */
const MOST_TRIES = 4;

async function secondRow(settings: EngineSettings, args: readonly string[]): Promise<BatchedRow> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const rows = (await run(settings, args)).split('\n').filter((line) => line.startsWith('{"n_kv_max"'));
    if (rows[1] !== undefined) return JSON.parse(rows[1]) as BatchedRow;
  }
  throw new Error(`${settings.program} told of less than the 2 loads that it was asked for, ${MOST_TRIES} times`);
}

function openEngine(settings: EngineSettings, facts: EngineFacts): OpenEngine {
  const { gpuLayers, threads } = flagsOf(settings);
  return {
    facts,
    async serve(requests): Promise<ServedLoad> {
      const { prompt, answer } = commonLengths(requests);
      const streams = requests.length;
      const row = await secondRow(settings, [
        '-m', settings.modelPath, '-t', String(threads), '-ngl', String(gpuLayers), '-fa', 'on', '-b', String(BATCH_SIZE),
        '-ub', String(BATCH_SIZE), '-ctk', KV_TYPE, '-ctv', KV_TYPE,
        '-c', String(streams * (prompt + answer)), '-npp', String(prompt), '-ntg', String(answer),
        // The first is not counted.
        '-npl', `${streams},${streams}`, '--output-format', 'jsonl',
      ]);
      return { streams: requests.map(() => timesOf(row, answer)), hasMeanGaps: true };
    },
    close: async () => {},
  };
}

/** Of any of its streams: the first token after all prompts were read, then one with every step. */
function timesOf({ t_pp, t_tg }: BatchedRow, answer: number): StreamTimes {
  const arrivals = Array.from({ length: answer + 1 }, (_, i) => ({ ms: 1000 * (t_pp + (t_tg * i) / answer), tokens: 1 }));
  return { askedMs: 0, arrivals };
}
