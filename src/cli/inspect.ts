/** `ingot inspect`: what a model's files say, without loading its weights. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { PROFILE_NAMES } from '../gpu/profile/profiles.ts';
import { planForProfile } from '../node/gpu-plan.ts';
import { locate } from '../node/open-path.ts';
import { UsageError } from './exit-codes.ts';
import { inspectReport } from './inspect-report.ts';
import { printInspection } from './inspect-text.ts';
import { modelPath } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import { oneOf } from './option-values.ts';
import { shortestFloat } from './quantities.ts';
import { createTerminal } from './terminal.ts';

const EXAMPLES = `
Examples:
  $ ingot inspect model.gguf
  $ ingot inspect ./model-folder
  $ ingot inspect https://example.org/model.gguf
  $ ingot inspect model.gguf --plan --profile apple-m4
  $ ingot inspect model.gguf --json | jq '.tensors[].name'
`;

export function registerInspect(program: Command): void {
  program
    .command('inspect')
    .summary("show a model file's metadata and tensors")
    .description("Shows metadata, tensors, sizes, architecture, tokenizer, end tokens and sampling defaults of a model's files.")
    .argument('<file>', 'a GGUF file (a vocabulary alone will do), a Hugging Face folder, or a URL of either')
    .option('--mmproj <file>', 'the tower of a GGUF model that sees (default: the mmproj file beside it)')
    .option('--json', 'print one JSON object, metadata in full')
    .addOption(
      new Option('--plan', 'print what a GPU would run for a token instead: steps, dispatches, bytes, multiply-adds').conflicts('json'),
    )
    .addOption(
      new Option('--profile <name>', "the device profile of the plan (default: this machine's GPU, else apple-m4)")
        .argParser(oneOf(PROFILE_NAMES))
        .implies({ plan: true }),
    )
    .addHelpText('after', EXAMPLES)
    .action((path: string, { json, plan, profile, mmproj }: InspectOptions) => {
      if (json === true && plan === true) throw new UsageError('--plan prints no JSON: leave out --json.');
      return withInterrupts((signal) =>
        plan === true ? inspectPlan(path, { profile, mmproj, signal }) : inspect(path, { json: json === true, mmproj, signal }),
      );
    });
}

interface InspectOptions {
  readonly json?: boolean;
  readonly plan?: boolean;
  readonly profile?: string;
  readonly mmproj?: string;
}

async function inspectPlan(
  path: string,
  { profile, mmproj, signal }: { readonly profile: string | undefined; readonly mmproj: string | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const model = await planForProfile(modelPath(path), { profile, mmproj, signal });
  const { printModelPlan } = await import('../gpu/plan/plan-report.ts');
  process.stdout.write(`profile ${model.options.profile.name}\n${printModelPlan(model)}\n`);
}

interface InspectRun {
  readonly json: boolean;
  readonly mmproj: string | undefined;
  readonly signal: AbortSignal;
}

async function inspect(path: string, { json, mmproj, signal }: InspectRun): Promise<void> {
  const checkpoint = await openCheckpoint(await locate(modelPath(path), { signal, mmproj, reads: 'headers' }), { signal });
  try {
    const report = await inspectReport(checkpoint, { signal });
    if (json) process.stdout.write(`${JSON.stringify(report, jsonValue)}\n`);
    else printInspection(report, createTerminal(process.stdout));
  } finally {
    await checkpoint.close();
  }
}

/** What JSON has no form for: typed arrays as arrays, integers beyond 2^53 and numbers that are none as text. Floats in few digits. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) return String(value);
  if (typeof value === 'number') return shortestFloat(value);
  return ArrayBuffer.isView(value) ? Array.from(value as Uint8Array) : value;
}
