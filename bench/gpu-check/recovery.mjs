/** What must not be left behind: a device that was lost, and models that were disposed of. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { randomIds } from '../../dist/bench/workloads.js';
import { collect } from '../../dist/engine/collect.js';
import { openGpuDevice } from '../../dist/gpu/device/gpu-device.js';
import { createGpuExecutor } from '../../dist/gpu/gpu-executor.js';
import { findAdapter } from '../../dist/node/gpu-adapter.js';
import { CapacityError } from '../../dist/tensor/errors.js';
import { agreeingTokens } from './compare-values.mjs';
import { emberPath, synthetic, withModel } from './open-model.mjs';

const PROMPT = randomIds(40, { seed: 2, vocabSize: 160 });
const RELOADS = 5;
/** MiB that five loads may add beyond the first: the allocators' and the driver's own. A model left behind would be 340 each. */
const KEPT_MIB = 96;
/** A lost device is known at once; this is for a loaded machine. */
const PATIENCE_MS = 5000;

/** An executor whose devices the check can see, without holding them. */
function watchedExecutor({ adapterKind, device, profile }) {
  const devices = [];
  const open = async () => {
    const { adapter, problem } = await findAdapter(adapterKind);
    if (adapter === undefined) throw new Error(problem);
    const gpu = await openGpuDevice(adapter);
    devices.push(new WeakRef(gpu.device));
    return gpu;
  };
  return { executor: createGpuExecutor({ open, name: 'watched', kind: device, profile }), devices };
}

/** How long `work` took to reject after the loss, and with what. `loss` resolves when the device has been taken away. */
async function rejectionOf(work, loss) {
  const settled = work.then(() => ({ error: undefined, endedAt: performance.now() }), (error) => ({ error, endedAt: performance.now() }));
  await Promise.race([loss, settled]);
  const lostAt = performance.now();
  const late = new Promise((resolve) => setTimeout(() => resolve({ error: undefined, endedAt: performance.now() }), PATIENCE_MS).unref());
  const { error, endedAt } = await Promise.race([settled, late]);
  const isClear = error instanceof CapacityError && /lost/.test(error.message) && /load the model again/.test(error.message);
  return { isClear, milliseconds: endedAt - lostAt, message: error?.message ?? 'no error within 5 s' };
}

export async function checkLost(context) {
  const { executor, devices } = watchedExecutor(context);
  const lose = () => devices.at(-1).deref()?.destroy();
  const generate = (model, count) => model.generate({ ids: PROMPT, temperature: 0, ignoreEos: true, maxTokens: count });
  const count = context.isQuick ? 8 : 200;
  const before = await withModel(executor, emberPath, {}, async (model) => (await collect(generate(model, count))).tokens);
  await withModel(executor, emberPath, {}, async (model) => {
    const generation = generate(model, 1500);
    let read = 0;
    while (read < count / 2) read += (await generation.next()).value.tokens.length;
    const toEnd = async () => {
      for (;;) if ((await generation.next()).done) return;
    };
    const reading = toEnd();
    lose();
    const running = await rejectionOf(reading, Promise.resolve());
    const later = await rejectionOf(collect(generate(model, 4)), Promise.resolve());
    context.report('a generation rejects, and so do later ones', running.isClear && later.isClear, {
      tokensBefore: read,
      milliseconds: running.milliseconds,
      later: later.milliseconds,
      message: running.message,
    });
  });
  await withModel(executor, emberPath, {}, async (model) => {
    const long = randomIds(context.isQuick ? 100 : 1500, { seed: 4, vocabSize: 4096 });
    let announce;
    const loss = new Promise((resolve) => (announce = resolve));
    // After its first chunk, so that it never comes too late.
    const onProgress = () => {
      lose();
      announce();
    };
    const prefill = await rejectionOf(model.forward(long, { positions: [long.length - 1], onProgress }), loss);
    context.report('a prefill rejects', prefill.isClear, { milliseconds: prefill.milliseconds, message: prefill.message });
  });
  const after = await withModel(executor, emberPath, {}, async (model) => (await collect(generate(model, count))).tokens);
  const equal = agreeingTokens(after, before);
  context.report('the model loads again in the same process', equal === count && after.length === count, { tokens: count, equal });
}

export async function checkReload(context) {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc');
  const path = context.isQuick ? join(context.fixtures, 'golden', 'qwen3') : await synthetic(context, 'qwen3-0.6b', 'q4_0');
  const { executor, devices } = watchedExecutor(context);
  const atRest = [];
  const loadMs = [];
  for (let load = 0; load <= (context.isQuick ? 2 : RELOADS); load++) {
    const startedAt = performance.now();
    await withModel(executor, path, { contextLength: 256 }, async (model) => {
      loadMs.push(Math.round(performance.now() - startedAt));
      await collect(model.generate({ ids: PROMPT, temperature: 0, ignoreEos: true, maxTokens: context.isQuick ? 2 : 32 }));
    });
    atRest.push(await usage(collectGarbage));
  }
  const growth = (name) => (atRest[0][name] === null ? null : atRest.at(-1)[name] - atRest[0][name]);
  const { hostMiB, gpuMiB, files } = { hostMiB: growth('hostMiB'), gpuMiB: growth('gpuMiB'), files: growth('files') };
  const devicesAlive = devices.filter((device) => device.deref() !== undefined).length;
  const passed = devicesAlive === 0 && hostMiB < KEPT_MIB && (gpuMiB ?? 0) < KEPT_MIB && (files ?? 0) <= 2;
  context.report('loading and disposing leaves memory where it was', passed, {
    loads: atRest.length,
    devicesAlive,
    growth: { hostMiB, gpuMiB, files },
    tolerance: KEPT_MIB,
    atRest: atRest.map(({ hostMiB: host, gpuMiB: gpu }) => [host, gpu]),
    loadMs,
  });
}

/** MiB of this process, MiB of the GPU where nvidia-smi tells, open files where the system tells. */
async function usage(collectGarbage) {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { hostMiB: Math.round(process.memoryUsage.rss() / 2 ** 20), gpuMiB: usedGpuMiB(), files: openFiles() };
}

function usedGpuMiB() {
  try {
    const text = execFileSync('nvidia-smi', ['--query-gpu=memory.used', '--format=csv,noheader,nounits'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number(text.split('\n')[0]);
  } catch {
    return null;
  }
}

function openFiles() {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : null;
}
