/** `ingot kernels`: what a named device would run for a model, and the WGSL of it, with no such device at hand. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Kernel } from '../gpu/kernel.ts';
import type { ModelPlan } from '../gpu/plan/model-plan.ts';
import { profileTable } from '../gpu/profile/profile-table.ts';
import { PROFILE_NAMES } from '../gpu/profile/profiles.ts';
import { planForProfile } from '../node/gpu-plan.ts';
import { UsageError } from './exit-codes.ts';
import { modelPath } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import { integerIn, oneOf } from './option-values.ts';
import { profileRows, tableLines } from './text-table.ts';

const EXAMPLES = `
Profiles: ${PROFILE_NAMES.slice(0, 6).join(', ')},
${PROFILE_NAMES.slice(6).join(', ')}.

Examples:
  $ ingot kernels model.gguf --profile apple-m4
  $ ingot kernels model.gguf --profile nvidia --keys 2048
  $ ingot kernels model.gguf --profile apple-m4 --dump wgsl/
`;

interface KernelsOptions {
  readonly profile?: string;
  readonly keys: number;
  readonly rows?: number;
  readonly dump?: string;
}

export function registerKernels(program: Command): void {
  program
    .command('kernels')
    .summary('show what a GPU runs for a model, and write its kernels')
    .description(
      'Prints, with no device, what a device profile chooses and why, and the dispatches, ' +
        'bytes and multiply-adds of a token (unless it makes embeddings) and of a prefill chunk. Reads only the header of the model.',
    )
    .argument('<model>', 'a GGUF file, a Hugging Face folder, or a URL of either')
    .option('--profile <name>', "the device profile (default: this machine's GPU, else apple-m4)", oneOf(PROFILE_NAMES))
    .option('--keys <n>', 'positions that the token attends to', integerIn({ min: 1 }), 128)
    .option('--rows <n>', "rows of the prefill chunk (default: the profile's)", integerIn({ min: 1 }))
    .option('--dump <folder>', 'write every WGSL module that the model may run there')
    .addHelpText('after', EXAMPLES)
    .action((path: string, options: KernelsOptions) => withInterrupts((signal) => showKernels(path, options, signal)));
}

async function showKernels(path: string, options: KernelsOptions, signal: AbortSignal): Promise<void> {
  const model = await planForProfile(modelPath(path), { profile: options.profile, keys: options.keys, signal });
  const { profile } = model.options;
  const { keys, rows = model.maxRows } = options;
  checkMost('--keys', keys, { most: model.modelContextLength, reason: "the model's context" });
  checkMost('--rows', rows, { most: model.maxRows, reason: `the largest chunk of the profile ${profile.name}` });
  // A folder that cannot be written to is found out before anything is printed.
  if (options.dump !== undefined) await mkdir(options.dump, { recursive: true });
  const choices = tableLines(profileRows(profileTable(profile)));
  const { printReport, reportDecode, reportPrefill } = await import('../gpu/plan/plan-report.ts');
  const isDecoder = model.decoder !== undefined;
  const reports = [...(isDecoder ? [reportDecode(model, keys)] : []), reportPrefill(model, rows)].map(printReport);
  process.stdout.write(`profile ${profile.name}\n${choices.map((line) => `  ${line}\n`).join('')}\n${reports.join('\n\n')}\n`);
  if (options.dump !== undefined) await dumpKernels(model, options.dump);
}

function checkMost(option: string, value: number, { most, reason }: { readonly most: number; readonly reason: string }): void {
  if (value > most) throw new UsageError(`${option} ${value} is beyond ${reason}: at most ${most}.`);
}

async function dumpKernels(model: ModelPlan, folder: string): Promise<void> {
  const { kernelsOfModel } = await import('../gpu/plan/model-plan.ts');
  const kernels = kernelsOfModel(model);
  for (const [i, kernel] of kernels.entries())
    await writeFile(join(folder, fileNameOf(kernel, i)), `// ${kernel.label}\n// ${kernel.key}\n${kernel.wgsl}`);
  process.stdout.write(`\n${kernels.length} modules written to ${folder}\n`);
}

function fileNameOf({ label }: Kernel, number: number): string {
  return `${String(number).padStart(2, '0')}-${label.replaceAll(/[^a-z0-9]+/gi, '-').replaceAll(/^-|-$/g, '')}.wgsl`;
}
