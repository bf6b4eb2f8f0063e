/** `ingot doctor`: what this machine has, what will be used, and why. */
import type { Command } from 'commander';
import { doctorReport } from './doctor-report.ts';
import type { DoctorReport } from './doctor-report.ts';
import { EXIT } from './exit-codes.ts';
import { withInterrupts } from './interrupts.ts';
import { formatBytes } from './quantities.ts';
import { createTerminal } from './terminal.ts';
import type { Terminal } from './terminal.ts';
import { tableLines } from './text-table.ts';

const EXAMPLES = `
Ends with code 1 where nothing can compute here.

Examples:
  $ ingot doctor
  $ ingot doctor --json | jq .devices
`;

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('show devices and features, what will be used and why')
    .description('Tests what this machine can do, and says which device will be used and why. Takes about a second.')
    .option('--json', 'print one JSON object')
    .addHelpText('after', EXAMPLES)
    .action(async ({ json }: { readonly json?: boolean }) => {
      const report = await withInterrupts((signal) => doctorReport(signal));
      if (json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
      else printReport(report, createTerminal(process.stdout));
      if (report.auto.device === null) process.exitCode = EXIT.failure;
    });
}

function printReport(report: DoctorReport, terminal: Terminal): void {
  const { system, cpu, auto, devices } = report;
  const section = (title: string, rows: readonly (readonly string[])[]) =>
    terminal.write(`${terminal.bold(title)}\n${tableLines(rows).map((line) => `  ${line}\n`).join('')}\n`);
  section('System', [
    ['ingot', system.ingot],
    ['Node', system.node],
    ['platform', `${system.platform} ${system.arch}`],
    ['processor', `${system.processor}, ${system.cores} cores (${system.usableCores} for this process)`],
    ['memory', `${formatBytes(system.memoryBytes)}, ${formatBytes(system.freeMemoryBytes)} free`],
  ]);
  const yes = (value: boolean) => (value ? 'yes' : 'no');
  section('CPU features', [
    ['WebAssembly SIMD', yes(cpu.hasSimd)],
    ['relaxed SIMD', yes(cpu.hasRelaxedSimd)],
    ['threads on shared memory', yes(cpu.hasThreads)],
    ['kernels used', cpu.kernels ?? 'none'],
    ['self-check', cpu.differences === null ? (cpu.problem ?? 'not run') : cpu.differences.length === 0 ? `passed (${cpu.comparisons} comparisons with scalar code)` : `FAILED: ${cpu.differences[0]}`],
    ['memory bandwidth', cpu.copyBytesPerSecond === null ? 'not measured' : `about ${formatBytes(cpu.copyBytesPerSecond)}/s (copying, ${cpu.threads} threads, read and write counted)`],
  ]);
  section('Devices', devices.map(({ device, isUsable, reason }) => [device, isUsable ? 'usable' : 'not usable', reason]));
  terminal.write(`auto uses ${terminal.bold(auto.device ?? 'nothing')}: ${auto.reason}\n`);
}
