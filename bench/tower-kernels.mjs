// Where a tower's time on a GPU goes: each kind of its kernels by itself, all of them as one submit, and whole runs from patches on, whose
// inputs the host makes and writes. `ingot bench --workloads pictures` has times of answers.
// node bench/tower-kernels.mjs MODEL [--grids 16x16,32x32,64x64,96x128] [--device gpu|software] [--out FILE]. Grids are patches of a
// picture. MODEL is a folder, or a file of `ingot synth qwen3-vl-2b` with the tower's beside it. Needs only dist/.
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { openCheckpoint } from '../dist/files/open-checkpoint.js';
import { encodeDispatches } from '../dist/gpu/program/bound-plan.js';
import { openDecoder } from '../dist/models/open-decoder.js';
import { SEEING, towerRun, visionSizes } from '../dist/models/vision.js';
import { openExecutor } from '../dist/node/load-model.js';
import { locate } from '../dist/node/open-path.js';
import { summarise } from './measurement.mjs';

const { values: flags, positionals: [path] } = parseArgs({
  allowPositionals: true,
  options: {
    grids: { type: 'string', default: '16x16,32x32,64x64,96x128' }, device: { type: 'string', default: 'gpu' }, out: { type: 'string' },
  },
});
if (path === undefined) throw new Error('which model? node bench/tower-kernels.mjs MODEL');
const grids = flags.grids.split(',').map((text) => text.split('x').map(Number));
const RUNS = flags.device === 'software' ? 1 : 5;

const checkpoint = await openCheckpoint(await locate(path));
const mostPatches = Math.max(...grids.map(([rows, columns]) => rows * columns));
const { model, weights, vision } = await openDecoder(checkpoint, { mostPatches });
const executor = await openExecutor({ device: flags.device });
const kv = { type: 'f16', pageTokens: 64, maxPages: 4 };
const program = await executor.load({ model, weights, kv, sizes: { rows: 64, ...visionSizes(vision) } });
await checkpoint.close();
console.log(`${basename(path)}, ${executor.description}`);

let state = 1;
const random = () => ((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 31) - 1;
const { patchSize, temporalPatchSize } = vision.info;
const width = 3 * temporalPatchSize * patchSize * patchSize;

/** Milliseconds, after one that does not count. */
async function median(work) {
  await work();
  const times = [];
  for (let i = 0; i < RUNS; i++) {
    const from = performance.now();
    await work();
    times.push(performance.now() - from);
  }
  return summarise(times).median;
}

for (const [rows, columns] of grids) {
  const patches = Float32Array.from({ length: rows * columns * width }, random);
  let made = 0;
  const picture = () => ({ rows, columns, patches, key: `made ${made++}` });
  const whole = await median(() => program.run([towerRun(vision, picture(), [SEEING.tower.embeddings])]));
  const inputs = await median(() => vision.inputsOf(picture()));
  const { gpu, steps } = await program.runDispatches(towerRun(vision, picture(), [SEEING.tower.embeddings]));
  const pass = (dispatches) => median(async () => {
    const encoder = gpu.device.createCommandEncoder();
    const own = encoder.beginComputePass();
    encodeDispatches(own, dispatches);
    own.end();
    gpu.queue.submit([encoder.finish()]);
    await gpu.queue.onSubmittedWorkDone();
  });
  const kinds = steps.reduce((all, step) => all.set(step.label, [...(all.get(step.label) ?? []), step]), new Map());
  const device = await pass(steps);
  const by = [];
  for (const [label, own] of kinds) by.push({ label, count: own.length, ms: await pass(own) });
  console.log(`${rows} x ${columns} patches: ${whole.toFixed(1)} ms a run, of which the host reckons inputs ${inputs.toFixed(1)}; ` +
    `${steps.length} dispatches ${device.toFixed(1)} ms`);
  for (const { label, count, ms } of by.sort((a, b) => b.ms - a.ms))
    console.log(`  ${label.padEnd(60)} x${String(count).padStart(3)} ${ms.toFixed(2).padStart(9)} ms in all`);
  const line = { bench: 'tower-kernels', model: basename(path), device: gpu.name, rows, columns, whole, inputs, deviceMs: device, by };
  if (flags.out) appendFileSync(flags.out, `${JSON.stringify(line)}\n`);
}
await program.dispose();
