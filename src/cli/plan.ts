/** `ingot plan`: what of a model fits this machine, how fast it should be, and where to run it. */
import type { Command } from 'commander';
import { advise } from '../bench/fit/advice.ts';
import type { Advice } from '../bench/fit/advice.ts';
import { decodeTokensPerSecond } from '../bench/fit/expected-speed.ts';
import type { DeviceFigures } from '../bench/fit/expected-speed.ts';
import { bitsThatFit, fitRows, longestContext } from '../bench/fit/model-fit.ts';
import type { FitRow, MachineRoom, ModelNeeds } from '../bench/fit/model-fit.ts';
import { needsOf } from '../bench/fit/needs-of.ts';
import { measureCopyBandwidth } from '../bench/copy-bandwidth.ts';
import { largestType, RUNTIME_BYTES } from '../engine/fitting-type.ts';
import { workOf } from '../bench/model-work.ts';
import type { ModelWork } from '../bench/model-work.ts';
import { availableParallelism } from 'node:os';
import { resolveContextLength } from '../engine/model-room.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { KvChoice } from '../graph/kv-types.ts';
import { openDecoder } from '../models/open-decoder.ts';
import type { DecoderModel } from '../models/open-decoder.ts';
import { parseDevice } from '../node/device-choice.ts';
import { openExecutor } from '../node/load-model.ts';
import type { DeviceChoice } from '../node/device-choice.ts';
import { planForMachine } from '../node/gpu-plan.ts';
import { defaultMemoryBudget, machineMemory } from '../node/memory-budget.ts';
import { locate } from '../node/open-path.ts';
import { gpuPart } from './doctor-gpu.ts';
import { modelPath } from './input-path.ts';
import { withInterrupts } from './interrupts.ts';
import { defaultModelPath, deviceOption, kvTypeOption } from './model-options.ts';
import { integerIn } from './option-values.ts';
import { createProgressDisplay } from './progress-display.ts';
import { formatBytes } from '../tensor/format-bytes.ts';
import { formatCount, formatRate, withThousands } from './quantities.ts';
import { tableLines } from './text-table.ts';
import { addUsageOptions } from './usage-options.ts';
import type { UsageFlags } from './usage-options.ts';

const EXAMPLES = `
Reads the model's headers and measures the machine for a second or two. The
speed is an estimate: bytes of a token by what copying reaches, and on a GPU the
time of its dispatches. "ingot bench" measures.

Examples:
  $ ingot plan model.gguf
  $ ingot plan model.gguf --context 2048 --kv-type q8
  $ ingot plan model.gguf --hours 25 --people 4
  $ ingot plan qwen3:4b --json
`;

interface PlanFlags extends UsageFlags {
  readonly device: DeviceChoice;
  readonly context?: number;
  readonly kvType?: KvChoice;
  readonly memory?: number;
  readonly json?: boolean;
}

export function registerPlan(program: Command): void {
  const command = program
    .command('plan')
    .summary('what of a model fits this machine, and how fast it should be')
    .description('Says what a model takes of this machine at several lengths of context, how fast it should be here, and where to run it.')
    .argument('[model]', 'a GGUF file, a folder, a URL or an id of the hub (default: the bundled model)')
    .addOption(deviceOption())
    .option('--context <tokens>', 'the length that is wanted (default: 8,192, or what the model has)', integerIn({ min: 1 }))
    .addOption(kvTypeOption())
    .option('--memory <bytes>', 'most memory for weights and conversations (default: what "ingot doctor" says)', integerIn({ min: 1 }));
  addUsageOptions(command)
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action((path: string | undefined, flags: PlanFlags) => withInterrupts((signal) => plan(path, flags, signal)));
}

/** What is found out, as data. */
interface Report {
  readonly needs: ModelNeeds;
  readonly work: ModelWork;
  readonly room: MachineRoom;
  readonly device: DeviceFigures & { readonly description: string };
  readonly dispatches: number | undefined;
  readonly contextLength: number;
  readonly rows: readonly FitRow[];
  readonly speeds: readonly { readonly positions: number; readonly tokensPerSecond: number }[];
  readonly advice: readonly Advice[];
}

async function plan(named: string | undefined, flags: PlanFlags, signal: AbortSignal): Promise<void> {
  const path = modelPath(named ?? defaultModelPath());
  const display = createProgressDisplay(process.stderr);
  try {
    const report = await reportOf(path, flags, { signal, onProgress: display.onProgress });
    display.clear();
    if (flags.json === true) process.stdout.write(`${JSON.stringify(dataOf(report))}\n`);
    else process.stdout.write(textOf(report));
  } finally {
    display.clear();
  }
}

type Work = { readonly signal: AbortSignal; readonly onProgress: ReturnType<typeof createProgressDisplay>['onProgress'] };

async function reportOf(path: string, flags: PlanFlags, { signal, onProgress }: Work): Promise<Report> {
  const checkpoint = await openCheckpoint(await locate(path, { signal, onProgress, reads: 'headers' }), { signal });
  try {
    const contextLength = (ofModel: number) => resolveContextLength(flags.context, ofModel);
    return await reportOfModel(await openDecoder(checkpoint, { signal, contextLength }), checkpoint.name, { flags, signal });
  } finally {
    await checkpoint.close();
  }
}

async function reportOfModel(
  decoder: DecoderModel, name: string, { flags, signal }: { readonly flags: PlanFlags; readonly signal: AbortSignal },
): Promise<Report> {
  const { kvType } = flags;
  const executor = await openExecutor({ device: flags.device });
  const needs = needsOf(decoder, { name, executor, contextLength: flags.context, kvType });
  const work = workOf(decoder, { name, kvType });
  const isGpu = executor.kind === 'gpu' || executor.kind === 'software';
  const measured = isGpu ? await gpuFigures(executor.kind === 'gpu' ? 'hardware' : 'software', flags, signal) : await cpuFigures(signal);
  const { budget, isShared, ...figures } = measured;
  const device = { ...figures, description: executor.description };
  const room = {
    memoryBytes: isShared ? machineMemory() : undefined,
    budgetBytes: flags.memory ?? budget.bytes,
    reason: flags.memory === undefined ? budget.reason : '--memory',
  };
  const contextLength = flags.context ?? Math.min(8192, needs.contextLength);
  const dispatches = isGpu ? await dispatchesOf(decoder, flags) : undefined;
  const rows = fitRows(needs, room, contextLength);
  const speeds = [...new Set([Math.min(128, contextLength), contextLength])].map((positions) => ({
    positions,
    tokensPerSecond: decodeTokensPerSecond(device, { ...work, dispatches }, positions),
  }));
  const wanted = rows.find((row) => row.contextLength === contextLength)!;
  const advice = advise({
    memoryBytes: room.memoryBytes,
    budgetBytes: room.budgetBytes,
    totalBytes: wanted.totalBytes,
    streams: wanted.streams,
    contextLength,
    tokensPerSecond: speeds[0]!.tokensPerSecond,
    isShared,
    usage: flags,
  });
  return { needs, work, room, device, dispatches, contextLength, rows, speeds, advice };
}

async function cpuFigures(signal: AbortSignal) {
  const copyBytesPerSecond = await measureCopyBandwidth({ threads: availableParallelism(), signal });
  return { kind: 'cpu' as const, copyBytesPerSecond, budget: defaultMemoryBudget(undefined), isShared: true };
}

async function gpuFigures(kind: 'hardware' | 'software', { device }: PlanFlags, signal: AbortSignal) {
  const { adapter, copyBytesPerSecond, dispatchMicroseconds } = await gpuPart(kind, signal, parseDevice(device).index);
  const budget = defaultMemoryBudget(adapter ?? undefined);
  return {
    kind: 'gpu' as const,
    copyBytesPerSecond: copyBytesPerSecond ?? 0,
    dispatchMicroseconds: dispatchMicroseconds ?? 0,
    budget,
    isShared: budget.bytes !== undefined,
  };
}

async function dispatchesOf(decoder: DecoderModel, { context, kvType, device }: PlanFlags): Promise<number> {
  const model = await planForMachine(decoder, { contextLength: context, kvType, gpu: parseDevice(device).index });
  const { reportDecode } = await import('../gpu/plan/plan-report.ts');
  return reportDecode(model, 128).dispatches.length;
}

function textOf(report: Report): string {
  const { needs, room, device, dispatches, rows, speeds, advice } = report;
  const budget = room.budgetBytes === undefined ? room.reason : `${formatBytes(room.budgetBytes)} (${room.reason})`;
  const head = [
    [
      'model',
      `${needs.name} (${needs.architecture}, ${formatCount(needs.parameters)} parameters, ` +
        `contexts up to ${withThousands(needs.contextLength)})`,
    ],
    ['device', device.description],
    ['memory', `${room.memoryBytes === undefined ? "the GPU's own" : formatBytes(room.memoryBytes)}; for models ${budget}`],
    ['weights', `${formatBytes(needs.weightBytes)}, and about ${formatBytes(RUNTIME_BYTES)} for the program itself`],
  ];
  const cell = (row: FitRow) => (row.fits === undefined ? 'not known' : row.fits ? 'yes' : 'no');
  const table = [
    ['CONTEXT', 'A CONVERSATION', 'ALL TOGETHER', 'FITS', 'CONVERSATIONS AT A TIME'],
    ...rows.map((row) => [
      withThousands(row.contextLength),
      formatBytes(row.stateBytes),
      formatBytes(row.totalBytes),
      cell(row),
      row.streams === undefined ? '' : String(row.streams),
    ]),
  ];
  const speed = speeds.map(
    ({ positions, tokensPerSecond }) => `${formatRate(tokensPerSecond)} tok/s behind ${withThousands(positions)} tokens`,
  );
  const ofDispatches = dispatches === undefined ? '' : `, ${dispatches} dispatches of ${device.dispatchMicroseconds!.toFixed(1)} us`;
  const measured = `${formatBytes(device.copyBytesPerSecond)}/s copied${ofDispatches}`;
  const lines = [
    ...tableLines(head),
    '',
    ...tableLines(table, [0, 1, 2, 4]),
    '',
    `Expected: about ${speed.join(', ')} (${measured}).`,
    ...smaller(report),
    '',
    ...advice.flatMap(({ advice: what, because }) => [what, `  Because ${because}.`]),
  ];
  return `${lines.join('\n').replace(/\n+$/, '')}\n`;
}

/** What would fit, where what is wanted does not. */
function smaller({ needs, room, rows, contextLength }: Report): readonly string[] {
  if (rows.find((row) => row.contextLength === contextLength)!.fits !== false) return [];
  const context = longestContext(needs, room)!;
  const type = largestType(bitsThatFit(needs, room, contextLength)!);
  return [
    `It does not fit with a context of ${withThousands(contextLength)}. ` +
      (context > 0 ? `It does with --context ${context}` : 'Its weights alone do not fit') +
      (type === undefined ? '; no quantisation makes it fit at that length.' : `; at that length, of these parameters ${type} would.`),
  ];
}

function dataOf({ needs, work, room, ...rest }: Report): unknown {
  const { name, architecture, parameters, contextLength, weightBytes } = needs;
  const model = { name, architecture, parameters, contextLength, weightBytes, kvType: work.kvType };
  return { model, memory: { ...room, runtimeBytes: RUNTIME_BYTES }, ...rest };
}
