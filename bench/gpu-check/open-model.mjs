/** Models and programs on the device that is checked, on the CPU beside it, and on the device with other profiles' kernels. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { decoderSteps } from '../../dist/graph/decoder-steps.js';
import { createModel } from '../../dist/engine/model.js';
import { kvLayoutOf, resolveKvTypes } from '../../dist/engine/model-room.js';
import { openCheckpoint } from '../../dist/files/open-checkpoint.js';
import { PROFILES } from '../../dist/gpu/profile/profiles.js';
import { openDecoder } from '../../dist/models/open-decoder.js';
import { bundledModelPath } from '../../dist/node/package-root.js';
import { openGpuExecutor } from '../../dist/node/gpu-executor.js';
import { openExecutor } from '../../dist/node/load-model.js';
import { locate } from '../../dist/node/open-path.js';
import { synthFile } from '../../dist/node/synth.js';

export const emberPath = bundledModelPath();

/** A synthetic file, made where it is not there yet. */
export async function synthetic({ modelDir }, model, type) {
  const path = join(modelDir, `${model}-${type}.gguf`);
  if (!existsSync(path)) await synthFile(path, { model, type });
  return path;
}

export async function gpuExecutor({ adapterKind }, profile) {
  const executor = await openGpuExecutor(adapterKind, { profile });
  if ('problem' in executor) throw new Error(executor.problem);
  return executor;
}

export const cpuExecutor = ({ threads }) => openExecutor({ device: 'cpu', threads });

/**
 * Profiles of other devices whose kernels this one can run too: Apple's simdgroups have as many lanes as NVIDIA's warps, and the kernels
 * without subgroups run anywhere.
 */
export function foreignProfiles({ profile }, names) {
  const able = profile.subgroupSize === 32 ? names : names.filter((name) => PROFILES[name].subgroupSize === undefined);
  return able.map((name) => PROFILES[name]);
}

export async function withModel(executor, path, options, work) {
  const model = await createModel({ checkpoint: await openCheckpoint(await locate(path)), executor, ...options });
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}

/** A model's graph without the engine above it, so that the caller decides what a step holds. All pages exist. */
export async function withProgram(executor, path, { contextLength, maxRows, kvType }, work) {
  const checkpoint = await openCheckpoint(await locate(path));
  let program;
  let decoder;
  let kv;
  try {
    decoder = await openDecoder(checkpoint, {});
    kv = kvLayoutOf(contextLength, resolveKvTypes(kvType, decoder));
    program = await executor.load({ model: decoder.model, weights: decoder.weights, kv, sizes: { rows: maxRows } });
  } finally {
    await checkpoint.close();
  }
  try {
    program.ensurePages(0, kv.maxPages);
    return await work({ program, vocabSize: decoder.config.vocabSize, pages: Array.from({ length: kv.maxPages }, (_, page) => page) });
  } finally {
    await program.dispose();
  }
}

/**
 * Runs `ids` as one sequence, in steps of the given sizes (the last one again and again). Resolves to the logits [positions, vocab]
 * of all positions from `wantedFrom` on.
 */
export async function feed({ program, pages, vocabSize }, ids, { sizes, wantedFrom = 0 }) {
  const logits = new Float32Array(Math.max(0, ids.length - wantedFrom) * vocabSize);
  for (let start = 0, step = 0; start < ids.length; step++) {
    const tokens = ids.slice(start, start + sizes[Math.min(step, sizes.length - 1)]);
    const outputs = tokens.map((_, i) => i).filter((i) => start + i >= wantedFrom);
    const result = await decoderSteps(program).run({ sequences: [{ tokens, start, pages: [pages], outputs }] });
    if (outputs.length > 0)
      logits.set(result.logits.subarray(0, outputs.length * vocabSize), (start + outputs[0] - wantedFrom) * vocabSize);
    start += tokens.length;
  }
  return logits;
}
