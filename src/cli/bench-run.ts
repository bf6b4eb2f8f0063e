/** `ingot bench run PLAN` */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { publishedSchema } from '../bench/plan/plan-schema.ts';
import { narrowPlan } from '../bench/plan/narrow-plan.ts';
import { printedPlan, readPlan } from '../bench/plan/read-plan.ts';
import { measurePlan } from './bench-measure.ts';
import { UsageError } from './exit-codes.ts';
import { expandHome, inputPath } from './input-path.ts';
import { numberIn } from './option-values.ts';

const EXAMPLES = `
A second run of the same plan and the same results measures only what is missing:
after Ctrl-C, a crash, or when models, engines or workloads were added. Figures
of another commit, machine, file or setting are others, and are measured.

A plan:
  {
    "models": ["a.gguf", { "path": "b.gguf", "as": { "Ollama": "qwen3:0.6b" } }],
    "engines": ["ingot", "llama.cpp",
      { "engine": "openai", "title": "Ollama", "url": "http://127.0.0.1:11434/v1" }],
    "devices": ["gpu"],
    "workloads": ["prefill", "decode", "ttft"],
    "results": "race.jsonl"
  }

Examples:
  $ ingot bench run plan.json
  $ ingot bench run plan.json --only a,b --max-minutes 9 --models /mnt/models
  $ ingot bench run plan.json --print-plan
  $ ingot bench run --print-schema
`;

interface RunFlags {
  readonly results?: string;
  readonly models?: string;
  readonly only?: readonly string[];
  readonly maxMinutes?: number;
  readonly printPlan?: boolean;
  readonly printSchema?: boolean;
}

export function registerBenchRun(bench: Command): void {
  bench
    .command('run')
    .summary('measure what a plan says, and go on where it stopped')
    .description('Measures the models, engines and workloads of a plan, and goes on where a run before it stopped.')
    .argument('[plan]', 'a JSON file')
    .option('--results <file>', "where figures are appended (default: the plan's, or its name with .jsonl)")
    .option('--models <folder>', "where the plan's models lie, in place of its own folders")
    .option('--only <names>', 'these models of the plan alone: names of files without .gguf, separated by commas', namesIn)
    .option('--max-minutes <count>', 'begin no run after so many; the same plan goes on later', numberIn({ min: 0.1, max: 10_000 }))
    .option('--print-plan', 'print the plan with all its defaults, and measure nothing')
    .option('--print-schema', 'print the JSON Schema of plans')
    .addHelpText('after', EXAMPLES)
    .action(runPlan);
}

const namesIn = (text: string): string[] => text.split(',').map((name) => name.trim()).filter(Boolean);

async function runPlan(file: string | undefined, { results, printPlan, printSchema, ...narrowing }: RunFlags): Promise<void> {
  if (printSchema === true) {
    if (file !== undefined || printPlan === true || results !== undefined || Object.keys(narrowing).length > 0)
      throw new UsageError('--print-schema is of all plans: leave out the plan and the other options.');
    process.stdout.write(`${JSON.stringify(publishedSchema(), null, 2)}\n`);
    return;
  }
  if (file === undefined) throw new UsageError('Expected a plan: "ingot bench run plan.json"; "ingot bench run --help" shows one.');
  const found = readPlan(inputPath(file));
  const { models, ...rest } = narrowing;
  const plan = narrowPlan(found.plan, { ...rest, models: models === undefined ? undefined : expandHome(models) });
  const read = { plan, results: results === undefined ? found.results : expandHome(results) };
  if (printPlan === true) {
    process.stdout.write(`${JSON.stringify(printedPlan(read), null, 2)}\n`);
    return;
  }
  if (existsSync(read.results)) process.stderr.write(`ingot: what is in ${read.results} is not measured again, and stands in the tables\n`);
  await measurePlan(read.plan, { results: read.results, isResumed: true });
}
