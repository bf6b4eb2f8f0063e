/**
 * Compares the WASM matmul kernels in dist/ with their scalar twins, cold and hot, under whatever Node runs this file
 * (no dependencies; build first). Prints one line per module; exits with 1 on a difference.
 */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { checkKernels } from '../dist/cpu/kernel-check.js';

const HOT_CALLS = 40;
let failed = false;
for (const file of ['cpu.wasm', 'cpu-relaxed.wasm']) {
  const bytes = readFileSync(new URL(`../dist/wasm/${file}`, import.meta.url));
  // Node 20 has relaxed SIMD behind a flag that later versions do not know: so only where it is needed.
  if (!WebAssembly.validate(bytes)) setFlagsFromString('--experimental-wasm-relaxed-simd');
  const differences = checkKernels(new WebAssembly.Module(bytes), { hotCalls: HOT_CALLS });
  for (const difference of differences.slice(0, 20)) console.error(`${file}: ${difference}`);
  console.log(`${process.version} ${file}: ${differences.length === 0 ? 'agrees with the scalar twins' : `${differences.length} differences`}`);
  failed ||= differences.length > 0;
}
process.exitCode = failed ? 1 : 0;
