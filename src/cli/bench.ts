/** `ingot bench`: speed by one protocol, beside other engines. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { WorkloadName } from '../bench/engine.ts';
import { RIVALS } from '../bench/engines/engine-named.ts';
import type { BenchmarkPlan } from '../bench/plan/plan.ts';
import { PLAN_DEFAULTS, QUICK_DEFAULTS } from '../bench/plan/read-plan.ts';
import { readResults } from '../bench/read-results.ts';
import type { Sizes } from '../bench/task.ts';
import { DEFAULT_WORKLOADS, WORKLOAD_NAMES } from '../bench/workloads.ts';
import type { KvChoice } from '../graph/kv-types.ts';
import type { DeviceChoice } from '../node/device-choice.ts';
import { registerBenchAdvise } from './bench-advise.ts';
import { compareFiles } from './bench-compare.ts';
import { publishedLines } from './bench-published.ts';
import { registerBenchReport } from './bench-report.ts';
import { measurePlan } from './bench-measure.ts';
import { registerBenchRun } from './bench-run.ts';
import { inputPath } from './input-path.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { deviceOption, kvTypeOption } from './model-options.ts';
import { checkedNumber, integerIn, listOf } from './option-values.ts';
import { createTerminal } from './terminal.ts';

interface BenchFlags {
  readonly device: DeviceChoice;
  readonly threads?: number;
  readonly against?: readonly string[];
  readonly backend?: string;
  readonly llamaBench?: string;
  readonly llamaBatchedBench?: string;
  readonly llamaServer?: string;
  readonly workloads?: readonly WorkloadName[];
  readonly decodeAfter?: readonly number[];
  readonly streams?: readonly number[];
  readonly streamPrompt?: number;
  readonly streamAnswer?: number;
  readonly arrivingPrompt?: number;
  readonly kvType?: KvChoice;
  readonly runs?: number;
  readonly pause?: number;
  readonly matrixRate?: number;
  readonly json?: string;
  readonly quick?: boolean;
  readonly compare?: readonly string[];
  readonly smallest?: number;
  readonly published?: boolean;
}

const EXAMPLES = `
Each figure is the median of several runs after one that does not count, engines
in turn, each in a process of its own: greedy, past end tokens, random ids. The
table shows the least and the most, and decode speed as a share of what the
device can copy. Ctrl-C stops, and what was measured until then is shown.

Workloads:
  prefill   tokens/s of reading prompts of 128, 512 and 2,048 tokens
  decode    tokens/s over 128 tokens after 128 and after 4,096
  ttft      time to the first token of prompts of 16 and 512 tokens
  load      start of the process to ready, and the first request after that
  turns     time to the first token over 15 turns of a conversation, with its
            prefix reused and without
and, where they are named:
  concurrency   1, 4, 16 and 64 streams at a time, prompts of 512 and answers of
            128 tokens, then lengths of four kinds: tokens/s of all answers
            together, of decoding while all run, time to the first token and
            between pieces
  server    1, 16, 64 and 256 streams, prompts and answers as long; for
            --against ingot-server, whose client is another process
  interruption  the longest wait of a stream as a prompt of 4,096 tokens comes
  drift         10 minutes of turns without rest: speed, waits and memory
  busy          decode beside busy cores, and beside work on the GPU
  structured    decode in a JSON schema beside free answers
and, in the plans of "ingot bench run", which name the files that these read:
  quality, tasks, pictures, hearing, speaking

Examples:
  $ ingot bench model.gguf
  $ ingot bench model.gguf --against llama.cpp --json results.jsonl
  $ ingot bench a.gguf b.gguf --device cpu --workloads prefill,decode --runs 3
  $ ingot bench model.gguf --workloads decode --decode-after 32768 --kv-type q8
  $ ingot bench model.gguf --workloads concurrency --against llama-batched-bench
  $ ingot bench model.gguf --workloads server --against ingot-server
  $ ingot bench model.gguf --quick
  $ ingot bench run plan.json
  $ ingot bench --compare before.jsonl after.jsonl
  $ ingot bench --published --json results.jsonl
  $ ingot bench report results.jsonl -o report.html
  $ ingot bench advise results.jsonl
`;

export function registerBench(program: Command): void {
  const command = program
    .command('bench')
    .summary('measure speed, alone or against llama.cpp')
    .description('Measures the speed of models on this machine, alone or against llama.cpp on the same file.')
    .argument('[model...]', 'GGUF files or Hugging Face folders')
    .addOption(deviceOption())
    .option('--threads <count>', 'CPU threads of every engine (default: as many as the machine has)', integerIn({ min: 1, max: 256 }))
    .option('--against <engines>', `engines to compare with: ${RIVALS.join(', ')}`, listOf(RIVALS))
    .option('--backend <name>', "the rival's device by its own name: cuda, vulkan, metal (default: the best that it finds)")
    .option('--llama-bench <path>', "llama.cpp's own benchmark program (default: LLAMA_BENCH)", process.env['LLAMA_BENCH'] || undefined)
    .option(
      '--llama-batched-bench <path>', "llama.cpp's benchmark of many streams (default: LLAMA_BATCHED_BENCH)",
      process.env['LLAMA_BATCHED_BENCH'] || undefined,
    )
    .option('--llama-server <path>', "llama.cpp's server (default: LLAMA_SERVER)", process.env['LLAMA_SERVER'] || undefined)
    .option('--workloads <list>', `what to measure, separated by commas (default: ${DEFAULT_WORKLOADS.join(',')})`, listOf(WORKLOAD_NAMES))
    .option('--decode-after <list>', 'positions before the tokens that decode measures (default: 128,4096)', positions)
    .addOption(kvTypeOption())
    .option('--streams <list>', 'how many at a time, for concurrency and server (default: 1,4,16,64; 1,16,64,256)', streamCounts)
    .option('--stream-prompt <tokens>', 'of each prompt of concurrency and interruption (default: 512)', tokens)
    .option('--stream-answer <tokens>', 'of each answer of concurrency (default: 128)', tokens)
    .option('--arriving-prompt <tokens>', 'of the prompt that interrupts (default: 4096)', tokens)
    .option('--runs <count>', `counted runs of each figure (default: ${PLAN_DEFAULTS.runs})`, integerIn({ min: 1, max: 1000 }))
    .option('--pause <seconds>', `rest after each run (default: ${PLAN_DEFAULTS.pause})`, checkedNumber(secondsFrom0))
    .option('--matrix-rate <tmacs>', 'show prefill as a share of this many 10^12 multiply-adds per second', checkedNumber(above0))
    .option('--json <file>', 'append each figure as one JSON line')
    .option('--quick', 'tiny sizes, one run, no pause: to see that it works')
    .option('--compare <files...>', 'two files of results, base and new: which differences are more than noise (code 1: slower)')
    .option('--smallest <percent>', 'the least difference that --compare tells (default: 2)', checkedNumber(percentFrom0))
    .option('--published', 'print what others have published, beside rows of --json where that file is there')
    .addHelpText('after', EXAMPLES)
    .action((models: string[], flags: BenchFlags) => {
      const given = command.options.map((option) => option.attributeName()).filter((name) => command.getOptionValueSource(name) === 'cli');
      return benchOrTell(models, flags, given);
    });
  // What follows "report" is for it alone.
  command.enablePositionalOptions();
  registerBenchRun(command);
  registerBenchReport(command);
  registerBenchAdvise(command);
}

/** Measures, or tells of what was measured. */
async function benchOrTell(models: readonly string[], flags: BenchFlags, given: readonly string[]): Promise<void> {
  const { compare, published, smallest, json } = flags;
  if (smallest !== undefined && compare === undefined) throw new UsageError('--smallest is of --compare.');
  if (compare === undefined && published !== true) {
    if (models.length === 0) throw new UsageError('Expected a model to measure: "ingot bench MODEL", or --compare, --published, report.');
    return measurePlan(planOf(models, flags), { results: json, isResumed: false });
  }
  const own = compare === undefined ? ['published', 'json'] : ['compare', 'smallest', 'published'];
  const measuring = given.find((name) => !own.includes(name));
  if (measuring !== undefined) {
    const flag = `--${measuring.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new UsageError(`${flag} is for measuring: it does nothing beside --${own[0]}.`);
  }
  const other = models.length > 0 ? `a model (${models[0]})` : compare !== undefined && published === true ? 'both of them' : undefined;
  if (other !== undefined) throw new UsageError(`--compare and --published measure nothing: expected one of them alone, found ${other}.`);
  const terminal = createTerminal(process.stdout);
  if (compare === undefined) {
    terminal.write(`${publishedLines(json === undefined || !existsSync(json) ? [] : readResults([json]).rows).join('\n')}\n`);
    return;
  }
  const [base, next, ...more] = compare;
  if (base === undefined || next === undefined || more.length > 0)
    throw new UsageError(`--compare takes two files, the base and the new one; found ${compare.length}.`);
  const { lines, hasSlower } = compareFiles(base, next, { smallest: smallest === undefined ? undefined : smallest / 100 });
  terminal.write(`${lines.join('\n')}\n`);
  if (hasSlower) process.exitCode = EXIT.failure;
}

function percentFrom0(value: number): number {
  if (value >= 0 && value <= 100) return value;
  throw new Error('Expected a percentage from 0 to 100.');
}

const tokens = integerIn({ min: 1, max: 1 << 20 });

const positions = (text: string): number[] => text.split(',').map(tokens);

const streamCounts = (text: string): number[] => text.split(',').map(integerIn({ min: 1, max: 1024 }));

/** Those of the workloads' sizes that were given. */
function sizesOf({ decodeAfter, streams, streamPrompt, streamAnswer, arrivingPrompt }: BenchFlags): Partial<Sizes> {
  const given = Object.entries({ decodeAfter, streams, serverStreams: streams, streamPrompt, streamAnswer, arrivingPrompt });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function secondsFrom0(value: number): number {
  if (value >= 0 && value <= 3600) return value;
  throw new Error('Expected seconds from 0 to 3600.');
}

function above0(value: number): number {
  if (value > 0) return value;
  throw new Error('Expected a number above 0.');
}

function planOf(
  models: readonly string[], { against = [], backend, workloads = DEFAULT_WORKLOADS, matrixRate, runs, pause, quick, ...flags }: BenchFlags,
): BenchmarkPlan {
  const usual = quick === true ? QUICK_DEFAULTS : PLAN_DEFAULTS;
  const programs: Readonly<Record<string, string | undefined>> = {
    'llama-bench': flags.llamaBench, 'llama-batched-bench': flags.llamaBatchedBench, 'llama-server': flags.llamaServer,
  };
  return {
    models: models.map((model) => ({ path: inputPath(model), as: {} })),
    engines: [
      { engine: 'ingot', title: 'ingot' },
      ...against.map((engine) => ({ engine, title: engine, program: programs[engine], backend })),
    ],
    devices: [flags.device],
    threads: flags.threads,
    kvType: flags.kvType,
    workloads,
    sizes: sizesOf(flags),
    files: {},
    runs: runs ?? usual.runs,
    pauseMs: 1000 * (pause ?? usual.pause),
    isQuick: quick === true,
    multiplyAddsPerSecond: matrixRate === undefined ? undefined : matrixRate * 1e12,
  };
}
