/**
 * Compares the WASM matmul kernels in dist/ with their scalar twins under whatever Node runs this file (no dependencies;
 * build first): cold and hot in one process as a user has it, then with V8's baseline compiler alone and with its
 * optimising compiler alone. Prints one line per module and run; exits with 1 on a difference.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';

const HOT_CALLS = 40;
const RUNS = [
  { name: 'as it comes', flags: [] },
  { name: 'baseline compiler', flags: ['--liftoff', '--no-wasm-tier-up'] },
  { name: 'optimising compiler', flags: ['--no-liftoff'] },
];

const ownRun = process.argv[2];
if (ownRun === undefined) {
  for (const { name, flags } of RUNS) {
    const child = spawnSync(process.execPath, [...flags, fileURLToPath(import.meta.url), name], { stdio: 'inherit' });
    if (child.status !== 0) process.exitCode = 1;
  }
} else {
  const { checkKernels } = await import('../dist/cpu/kernel-check.js');
  for (const file of ['cpu.wasm', 'cpu-relaxed.wasm']) {
    const bytes = readFileSync(new URL(`../dist/wasm/${file}`, import.meta.url));
    // Node 20 has relaxed SIMD behind a flag that later versions do not know: so only where it is needed.
    if (!WebAssembly.validate(bytes)) setFlagsFromString('--experimental-wasm-relaxed-simd');
    const differences = checkKernels(new WebAssembly.Module(bytes), { hotCalls: HOT_CALLS });
    for (const difference of differences.slice(0, 20)) console.error(`${file}: ${difference}`);
    const verdict = differences.length === 0 ? 'agrees with the scalar twins' : `${differences.length} differences`;
    console.log(`${process.version} ${file}, ${ownRun}: ${verdict}`);
    if (differences.length > 0) process.exitCode = 1;
  }
}
