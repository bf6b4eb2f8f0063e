/** `ingot bench advise RESULTS...`: what to run where, with the figures behind each word. */
import type { Command } from 'commander';
import { adviseByResults } from '../bench/fit/measured-advice.ts';
import type { AdvisedModel } from '../bench/fit/measured-advice.ts';
import { readResults } from '../bench/read-results.ts';
import { addUsageOptions } from './usage-options.ts';
import type { UsageFlags } from './usage-options.ts';
import { createTerminal } from './terminal.ts';

const EXAMPLES = `
Says of each model and device what its figures mean: device, engine, quantisation
(of files of one model), type of keys and values, length of conversations,
answers at a time, other programs, heat, memory, what to keep open and what
bounds its speed. Advice has the figures behind it; what no figure says is named
with what would: "ingot bench run" with decode at two lengths, concurrency,
quality, busy and drift leaves nothing open. "ingot plan" reckons without figures.

Examples:
  $ ingot bench advise results.jsonl
  $ ingot bench advise mac.jsonl node.jsonl --hours 25 --people 4
`;

interface AdviseFlags extends UsageFlags {
  readonly json?: boolean;
}

export function registerBenchAdvise(bench: Command): void {
  addUsageOptions(
    bench
      .command('advise')
      .summary('say what results mean: what to run where')
      .description('Says what to run where, by files that --json or "ingot bench run" wrote.')
      .argument('<results...>', 'files of JSON lines, also gzipped'),
  )
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action((paths: string[], { json, ...usage }: AdviseFlags) => {
      const models = adviseByResults(readResults(paths).rows, usage);
      createTerminal(process.stdout).write(json === true ? `${JSON.stringify({ models })}\n` : textOf(models));
    });
}

function textOf(models: readonly AdvisedModel[]): string {
  const told = models.map(({ model, device, occasion, advice, unmeasured }) => {
    const lines = advice.flatMap(({ advice: what, because }) => [`  ${what}`, `    Because ${because}.`]);
    const unknown = unmeasured.length === 0 ? [] : [`  Not measured: ${unmeasured.join('; ')}.`];
    return [`${model} on ${device}${occasion === '' ? '' : `, ${occasion}`}`, ...lines, ...unknown].join('\n');
  });
  return told.length === 0 ? "No figures of ingot's own are in these files.\n" : `${told.join('\n\n')}\n`;
}
