/** What every command that loads a model shares: its options, the load with a progress bar, and disposal. */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { Model } from '../engine/api.ts';
import { KV_TYPES, parseKvTypes } from '../graph/kv-types.ts';
import type { KvChoice } from '../graph/kv-types.ts';
import { PER_LAYER_TABLES } from '../models/architecture.ts';
import type { PerLayerTable } from '../models/architecture.ts';
import { QUANTIZE_TYPES } from '../models/quantize-weights.ts';
import type { QuantizeType } from '../models/quantize-weights.ts';
import { DEVICE_NAMES, parseDevice, takesThreads } from '../node/device-choice.ts';
import { loadModel } from '../node/load-model.ts';
import type { DeviceChoice } from '../node/device-choice.ts';
import { bundledModelPath } from '../node/package-root.ts';
import { InputError } from '../tensor/errors.ts';
import { UsageError } from './exit-codes.ts';
import { expandHome, modelPath } from './input-path.ts';
import { checkedText, integerIn } from './option-values.ts';
import { createProgressDisplay } from './progress-display.ts';
import { printable } from './terminal.ts';

/** The model that is used when none is named: INGOT_MODEL where it is set, else the one that comes with the package. */
export function defaultModelPath(): string {
  return process.env['INGOT_MODEL'] || bundledModelPath();
}

/** As commander gives them. */
export interface DeviceOptions {
  readonly device?: DeviceChoice | undefined;
  readonly threads?: number | undefined;
  readonly context?: number | undefined;
  readonly snapshotBytes?: number | undefined;
  readonly memory?: number | undefined;
  readonly perLayerTable?: PerLayerTable | undefined;
  readonly quantize?: QuantizeType | undefined;
  readonly kvType?: KvChoice | undefined;
  readonly mmproj?: string | undefined;
  readonly mostPatches?: number | undefined;
}

/**
 * Adds `--device`, `--threads`, `--context`, `--snapshot-bytes`, `--memory`, `--per-layer-table`, `--quantize`, `--kv-type`, `--mmproj` and
 * `--most-patches`.
 */
export function addDeviceOptions(command: Command): Command {
  return command
    .addOption(deviceOption())
    .option(
      '--threads <count>',
      'compute threads of the CPU device (default: as many as the machine has)',
      integerIn({ min: 1, max: 256 }),
    )
    .option(
      '--context <tokens>',
      "most tokens of prompt and answer together (default: the model's own, at most 8,192)",
      integerIn({ min: 1 }),
    )
    .option(
      '--snapshot-bytes <bytes>',
      'most memory for going back in conversations with hybrid models (LFM2, Qwen3.5); 0 keeps none (default: 512 MB)',
      integerIn({ min: 0 }),
    )
    .option(
      '--memory <bytes>',
      'most memory for weights and the states of all conversations (default: what "ingot doctor" says)',
      integerIn({ min: 1 }),
    )
    .addOption(
      new Option(
        '--per-layer-table <place>',
        "Gemma 4's small models: host leaves their table of embeddings in the file, to save memory (default: device)",
      ).choices(PER_LAYER_TABLES),
    )
    .addOption(new Option('--quantize <type>', 'quantise weights of floats while they are loaded').choices(QUANTIZE_TYPES))
    .addOption(kvTypeOption())
    .option('--mmproj <file>', 'the tower of a GGUF model that sees (default: the mmproj file beside it)')
    .option(
      '--most-patches <count>',
      'most patches of 16 x 16 pixels of a picture, of a model that sees (default: 12,288 on a GPU, 4,096 elsewhere)',
      integerIn({ min: 1, max: 2 ** 20 }),
    );
}

/** `--device`, as the library has it. */
export function deviceOption(): Option {
  const option = new Option('--device <device>', 'where to compute; gpu:1 is the second GPU of "ingot doctor"');
  return option.choices([...DEVICE_NAMES, 'gpu:N']).argParser(checkedText(parseDevice)).default('auto');
}

/** In the words of the command line, before anything is loaded. @throws UsageError for threads beside a device that has none */
export function checkThreads({ device, threads }: Pick<DeviceOptions, 'device' | 'threads'>): void {
  if (threads !== undefined && !takesThreads(device))
    throw new UsageError(`--threads is for the CPU device, and --device is ${device}: leave out --threads, or use --device cpu.`);
}

/** `--kv-type`, as the library has it. */
export function kvTypeOption(): Option {
  const text = `type of keys and values: ${KV_TYPES.join(', ')}, or of each, as in q8/q4 (default: f16; f32 for models of floats)`;
  return new Option('--kv-type <type>', text).argParser(checkedText(parseKvTypes));
}

/**
 * Loads a model with a bar on stderr, runs `work` with it and disposes it.
 * @param path a file, folder or URL; the bundled model where undefined
 */
export async function withModel<Result>(
  path: string | undefined,
  options: DeviceOptions & { readonly signal: AbortSignal },
  work: (model: Model) => Promise<Result>,
): Promise<Result> {
  const model = await openModel(path, options);
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}

/** Before anything is asked of the model: the library would name its own calls. @throws InputError for a model of embeddings */
export function checkPredictsTokens({ info }: Model, command: string): void {
  if (info.embedding === undefined) return;
  throw new InputError(
    `"ingot ${command}" needs a model that predicts tokens; ${info.name} (${info.architecture}) makes embeddings, ` +
      'which "ingot embed" prints.',
  );
}

/** As {@link withModel}; whoever calls disposes it. */
export async function openModel(path: string | undefined, options: DeviceOptions & { readonly signal: AbortSignal }): Promise<Model> {
  const { device, threads, context, snapshotBytes, memory, perLayerTable, quantize, kvType, mmproj, mostPatches, signal } = options;
  checkThreads({ device, threads });
  const display = createProgressDisplay(process.stderr);
  try {
    const found = modelPath(path ?? defaultModelPath());
    display.expect('load');
    const { onProgress } = display;
    const model = await loadModel(found, {
      device, threads, contextLength: context, snapshotBytes, memoryBudget: memory, perLayerTable, quantize, kvType, signal,
      mmproj: mmproj === undefined ? undefined : expandHome(mmproj), mostPatches, onProgress, onHint: () => {},
    });
    display.clear();
    for (const warning of model.info.warnings) process.stderr.write(`ingot: warning: ${printable(warning)}\n`);
    return model;
  } finally {
    display.clear();
  }
}
