/** `ingot convert` and `ingot synth`: commands that write a GGUF file. */
import { existsSync, statSync } from 'node:fs';
import { Option } from 'commander';
import type { Command } from 'commander';
import { EXPORT_TYPES } from '../models/gguf-mixes.ts';
import type { ExportType } from '../models/gguf-mixes.ts';
import { SYNTH_MODELS, SYNTH_TYPES } from '../models/synth-shapes.ts';
import type { SynthModel, SynthType } from '../models/synth-shapes.ts';
import { convertFile } from '../node/convert.ts';
import { synthFile } from '../node/synth.ts';
import type { OnProgress } from '../tensor/progress.ts';
import { UsageError } from './exit-codes.ts';
import { expandHome, modelPath } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import { integerIn } from './option-values.ts';
import { createProgressDisplay } from './progress-display.ts';
import { formatBytes } from '../tensor/format-bytes.ts';
import { formatDuration, plural } from './quantities.ts';
import { printable } from './terminal.ts';

interface WriteFlags {
  readonly out: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

type ConvertFlags = WriteFlags & { readonly type: ExportType; readonly vocabulary: 'source' | 'none' | 'made'; readonly name?: string };
type SynthFlags = WriteFlags & { readonly type: SynthType; readonly seed: number; readonly layers?: number };

const CONVERT_EXAMPLES = `
Examples:
  $ ingot convert ./model-folder -o model.gguf --type q4_k_m
  $ ingot convert ./model-folder -o model.gguf --type bf16 --name Mine --force
`;

const SYNTH_EXAMPLES = `
The file has the real shapes of the model and random weights: for benchmarks
without a download.

Examples:
  $ ingot synth qwen3-0.6b --type q4_0 -o qwen3-0.6b-q4_0.gguf
  $ ingot synth llama-3.2-1b --type q4_k_m --seed 7 -o llama.gguf --force
  $ ingot synth qwen3-30b-a3b --layers 8 -o experts.gguf
`;

export function registerConvert(program: Command): void {
  const command = program
    .command('convert')
    .summary('convert a Hugging Face folder to a GGUF file')
    .description('Converts a Hugging Face folder (config.json, safetensors, tokenizer) to one GGUF file.')
    .argument('<folder>', 'the folder, or its URL')
    .addOption(new Option('--type <type>', 'type of the weights').choices(EXPORT_TYPES).default('q8_0'))
    .addOption(
      new Option('--vocabulary <which>', "the folder's own tokenizer, none, or a made-up one of the right size")
        .choices(['source', 'none', 'made'])
        .default('source'),
    )
    .option('--name <name>', "the model's name in the file (default: the folder's)");
  addWriteOptions(command, CONVERT_EXAMPLES).action((folder: string, { type, vocabulary, name, ...flags }: ConvertFlags) =>
    writeModel(flags, (work) => convertFile(modelPath(folder), expandHome(flags.out), { type, vocabulary, modelName: name, ...work })),
  );
}

export function registerSynth(program: Command): void {
  const command = program
    .command('synth')
    .summary('write a GGUF file of random weights')
    .description('Writes a GGUF file of random weights at the shapes of a real model.')
    .argument('<model>', `one of ${SYNTH_MODELS.join(', ')}`)
    .addOption(new Option('--type <type>', 'type of the weights').choices(SYNTH_TYPES).default('q4_0'))
    .option('--seed <number>', 'the same seed gives the same file', integerIn({ min: 0 }), 0)
    .option('--layers <count>', "only so many of the model's first layers (default: all)", integerIn({ min: 1 }));
  addWriteOptions(command, SYNTH_EXAMPLES).action((model: string, { type, seed, layers, ...flags }: SynthFlags) => {
    if (!(SYNTH_MODELS as readonly string[]).includes(model))
      throw new UsageError(`the model must be one of ${SYNTH_MODELS.join(', ')}, found ${JSON.stringify(model)}.`);
    return writeModel(flags, (work) => synthFile(expandHome(flags.out), { model: model as SynthModel, type, seed, layers, ...work }));
  });
}

function addWriteOptions(command: Command, examples: string): Command {
  return command
    .requiredOption('-o, --out <file>', 'the GGUF file to write')
    .option('-f, --force', 'replace the file where there is one')
    .option('--json', 'print what was written as one JSON object')
    .addHelpText('after', examples);
}

interface Work {
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

async function writeModel(
  { out, force, json }: WriteFlags,
  write: (work: Work) => Promise<{ sizeBytes: number; tensors: number; warnings?: readonly string[]; projectorPath?: string | undefined }>,
): Promise<void> {
  // Devices and pipes are there to be written to.
  if (force !== true && existsSync(out) && statSync(out).isFile())
    throw new UsageError(`${out} exists already. Give another name, or --force to replace it.`);
  const display = createProgressDisplay(process.stderr, { hasLines: true });
  const startMs = performance.now();
  try {
    const written = await withInterrupts((signal) => write({ signal, onProgress: display.onProgress }));
    const { sizeBytes, tensors, warnings = [], projectorPath: projector } = written;
    const files = projector === undefined ? out : `${out} and ${projector}`;
    display.clear();
    const durationMs = performance.now() - startMs;
    for (const warning of warnings) process.stderr.write(`ingot: warning: ${printable(warning)}\n`);
    if (json === true) process.stdout.write(`${JSON.stringify({ file: out, projector, sizeBytes, tensors, durationMs })}\n`);
    else process.stderr.write(`wrote ${files}: ${plural(tensors, 'tensor')}, ${formatBytes(sizeBytes)} in ${formatDuration(durationMs)}\n`);
  } finally {
    display.clear();
  }
}
