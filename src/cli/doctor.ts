/** `ingot doctor`: what this machine has, what will be used, and why. */
import type { Command } from 'commander';
import type { GpuPart } from './doctor-gpu.ts';
import { doctorReport } from './doctor-report.ts';
import { tune as tuneDevice, tuningRows } from './doctor-tune.ts';
import type { DoctorReport } from './doctor-report.ts';
import { EXIT, UsageError } from './exit-codes.ts';
import { parseDevice } from '../node/device-choice.ts';
import type { DeviceChoice } from '../node/device-choice.ts';
import { checkedText } from './option-values.ts';
import { defaultMemoryBudget } from '../node/memory-budget.ts';
import type { MemoryBudget } from '../node/memory-budget.ts';
import { withInterrupts } from './interrupts.ts';
import { profileRows, tableLines } from './text-table.ts';
import { formatBytes } from '../tensor/format-bytes.ts';
import { createTerminal } from './terminal.ts';
import type { Terminal } from './terminal.ts';

const EXAMPLES = `
Ends with code 1 where nothing can compute here.

Examples:
  $ ingot doctor
  $ ingot doctor --json | jq .devices
  $ ingot doctor --tune
`;

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('show devices and features, what will be used and why')
    .description('Tests what this machine can do, and says which device will be used and why. Takes a few seconds.')
    .option('--json', 'print one JSON object')
    .option('--tune', 'try a few knobs of the GPU\'s profile, and keep for later what is faster twice')
    .option('--device <device>', 'the one to tune: gpu, or gpu:N (default: gpu)', checkedText<DeviceChoice>(parseDevice))
    .addHelpText('after', EXAMPLES)
    .action(async ({ json, tune, device }: { readonly json?: boolean; readonly tune?: boolean; readonly device?: DeviceChoice }) => {
      if (tune !== true && device !== undefined) throw new UsageError('--device says what --tune is for: pass both, or neither.');
      if (tune === true) return withInterrupts((signal) => tuneDevice(device, { signal, json: json === true }));
      const report = await withInterrupts((signal) => doctorReport(signal));
      if (json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
      else printReport(report, createTerminal(process.stdout));
      if (report.auto.device === null) process.exitCode = EXIT.failure;
    });
}

/** The others are about textures and drawing. */
const USED_FEATURES = /^(subgroups|shader-f16|timestamp-query|subgroup-size-control|chromium-experimental-subgroup-matrix)$/;

function printReport(report: DoctorReport, terminal: Terminal): void {
  const { system, cpu, gpu, gpus, software, auto, devices } = report;
  const section = (title: string, rows: readonly (readonly string[])[]) =>
    terminal.write(`${terminal.bold(title)}\n${tableLines(rows).map((line) => `  ${line}\n`).join('')}\n`);
  section('System', [
    ['ingot', system.ingot],
    ['Node', system.node],
    ['platform', `${system.platform} ${system.arch}`],
    ['processor', `${system.processor}, ${system.cores} cores (${system.usableCores} for this process)`],
    ['memory', `${formatBytes(system.memoryBytes)}, ${formatBytes(system.freeMemoryBytes)} free`],
    ['memory budget', budgetText(system.memoryBudget)],
  ]);
  const yes = (value: boolean) => (value ? 'yes' : 'no');
  section('CPU features', [
    ['WebAssembly SIMD', yes(cpu.hasSimd)],
    ['relaxed SIMD', yes(cpu.hasRelaxedSimd)],
    ['threads on shared memory', yes(cpu.hasThreads)],
    ['kernels used', cpu.kernels ?? 'none'],
    [
      'self-check',
      cpu.differences === null
        ? 'not run'
        : cpu.differences.length === 0
          ? `passed (${cpu.comparisons} comparisons with scalar code)`
          : 'FAILED',
    ],
    [
      'memory bandwidth',
      cpu.copyBytesPerSecond === null
        ? 'not measured'
        : `about ${formatBytes(cpu.copyBytesPerSecond)}/s (copying, ${cpu.threads} threads, read and write counted)`,
    ],
  ]);
  if (gpu.adapter !== null) section('GPU', gpuRows(gpu));
  if (gpu.choices.length > 0) section(`Profile ${gpu.profile}`, profileRows(gpu.choices));
  if (gpu.tuning !== null) section('Tuned on this GPU', tuningRows(gpu.tuning));
  if (gpus.length > 0)
    section('GPUs, for --device', gpus.map(({ device, name, problem }) => [device, problem === undefined ? name : `${name}: ${problem}`]));
  if (software.adapter !== null) {
    section('Software adapter', gpuRows(software));
    section(`Profile ${software.profile}`, profileRows(software.choices));
  }
  // A reason that several devices share is told once.
  const sharers = (reason: string) => devices.filter((other) => other.reason === reason);
  section('Devices', devices.map(({ device, isUsable, reason }) => {
    const first = sharers(reason)[0]!.device;
    return [device, isUsable ? 'usable' : 'not usable', first === device ? reason : `as ${first}`];
  }));
  terminal.write(`auto uses ${terminal.bold(auto.device ?? 'nothing')}: ${auto.reason}\n`);
}

/** Of a model, where `--memory` does not say. */
function budgetText({ bytes, reason }: MemoryBudget): string {
  return bytes === undefined ? reason : `${formatBytes(bytes)} (${reason})`;
}

function gpuRows({ adapter, name, copyBytesPerSecond, dispatchMicroseconds, encodeMicroseconds }: GpuPart): readonly (readonly string[])[] {
  if (adapter === null) return [];
  const { limits, features, subgroupSizes } = adapter;
  const about = [adapter.vendor, adapter.architecture, adapter.description].filter((part) => part !== '').join(', ');
  const unmeasured = 'not measured';
  return [
    ['adapter', `${name} (${about})`],
    ['memory budget', budgetText(defaultMemoryBudget(adapter))],
    ['features', features.filter((feature) => USED_FEATURES.test(feature)).join(', ') || 'none that Ingot uses'],
    ['subgroups', subgroupSizes === undefined ? 'none' : `${[...new Set(subgroupSizes)].join(' to ')} lanes`],
    [
      'limits',
      `buffers ${formatBytes(limits.bufferBytes)}, bindings ${formatBytes(limits.bindingBytes)}, ` +
        `${limits.storageBuffers} storage buffers, ${limits.invocations} invocations, ` +
        `workgroup memory ${formatBytes(limits.workgroupBytes)}`,
    ],
    [
      'memory bandwidth',
      copyBytesPerSecond === null ? unmeasured : `${formatBytes(copyBytesPerSecond)}/s (copied by a kernel, read and write counted)`,
    ],
    [
      'dispatch',
      dispatchMicroseconds === null || encodeMicroseconds === null
        ? unmeasured
        : `${dispatchMicroseconds.toFixed(1)} us from one to the next that needs it, ${encodeMicroseconds.toFixed(1)} of it to encode`,
    ],
  ];
}
