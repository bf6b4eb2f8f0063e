/** Tiny random models against what transformers computes of them: logits, hidden states, greedy tokens (test/fixtures/golden/README.md). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { collect } from '../../dist/engine/collect.js';
import { convertFile } from '../../dist/node/convert.js';
import { agreeingTokens, leaderOf, relativeError, rowsOf } from './compare-values.mjs';
import { foreignProfiles, gpuExecutor, withModel } from './open-model.mjs';

const FOLDERS = ['llama', 'llama_bias', 'llama_sharded', 'qwen3'];
const F32_TOLERANCE = 1e-3;
const F16_TOLERANCE = 1e-2;
/** Where the lead is less, f16 may rightly choose another token: the goldens' least leads are 0.006 to 0.06. */
const F16_NEAR_TIE = 0.05;

/** The F32 tensors of a safetensors file, by name. */
function readTensors(path) {
  const file = readFileSync(path);
  const headerBytes = Number(file.readBigUInt64LE(0));
  const { __metadata__: _, ...header } = JSON.parse(file.toString('utf8', 8, 8 + headerBytes));
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          data_offsets: [from, to],
        },
      ]) => [name, new Float32Array(new Uint8Array(file.subarray(8 + headerBytes + from, 8 + headerBytes + to)).buffer)],
    ),
  );
}

function readGolden(folder, { isQuick }) {
  const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8'));
  const tensors = readTensors(join(folder, 'golden.safetensors'));
  const names = Object.keys(golden.prompts).filter((name) => !isQuick || name !== 'long');
  return names.map((name) => ({
    name,
    ids: golden.prompts[name],
    logits: tensors.get(`${name}.logits`),
    hidden: new Map(
      [...tensors].filter(([key]) => key.startsWith(`${name}.hidden.`)).map(([key, values]) => [Number(key.split('.')[2]), values]),
    ),
    greedy: golden.greedy[name].slice(0, isQuick ? 6 : undefined),
    greedyLogits: tensors.get(`${name}.greedy_logits`),
  }));
}

/** How the goldens are run: the file's own f32; the same on other devices' kernels; f16 keys and values; f16 weights too. */
function variantsOf(context) {
  const f32 = { tolerance: F32_TOLERANCE, nearTie: 0 };
  const f16 = { tolerance: F16_TOLERANCE, nearTie: F16_NEAR_TIE, kvType: 'f16' };
  // Matrix units of halves take products of several rows through halves, whatever the weights are; the near ties stay those of f32.
  const own = context.profile.subgroupMatrix?.input === 'f16' ? { ...f32, tolerance: F16_TOLERANCE } : f32;
  const all = [
    { name: 'f32', ...own },
    ...foreignProfiles(context, ['apple-m4', 'generic']).map((profile) => ({ name: `f32, profile ${profile.name}`, ...f32, profile })),
    { name: 'f32, f16 keys and values', ...f16 },
    { name: 'f16 weights, keys and values', ...f16, weights: 'f16' },
  ];
  return context.isQuick ? [all[0], all.at(-1)] : all;
}

export async function checkGoldens(context) {
  const folders = context.isQuick ? ['llama_bias', 'qwen3'] : FOLDERS;
  for (const folder of folders) {
    const path = join(context.fixtures, 'golden', folder);
    const prompts = readGolden(path, context);
    for (const variant of variantsOf(context)) {
      const executor = await gpuExecutor(context, variant.profile);
      await withModel(executor, await weightsOf(path, variant, context), { kvType: variant.kvType }, async (model) => {
        const figures = await compareModel(model, prompts, variant);
        const { logits, hidden, wrongTokens, tokens, tokensCompared } = figures;
        const passed =
          logits < variant.tolerance &&
          hidden < variant.tolerance &&
          wrongTokens === 0 &&
          tokensCompared > (variant.nearTie > 0 ? tokens / 2 : tokens - 1);
        context.report(`${folder}, ${variant.name}`, passed, { ...figures, tolerance: variant.tolerance });
      });
    }
  }
}

async function weightsOf(path, { weights }, { modelDir }) {
  if (weights === undefined) return path;
  const converted = join(modelDir, `${path.split('/').at(-1)}-${weights}.gguf`);
  await convertFile(path, converted, { type: weights, vocabulary: 'none' });
  return converted;
}

async function compareModel(model, prompts, { nearTie }) {
  const worst = { logits: 0, hidden: 0 };
  let [tokens, tokensCompared, wrongTokens] = [0, 0, 0];
  for (const { ids, logits, hidden, greedy, greedyLogits } of prompts) {
    worst.logits = Math.max(worst.logits, relativeError(await model.forward(ids), logits));
    if (hidden.size > 0) {
      // A plan of its own, which fuses less.
      const found = await model.forward(ids, { hidden: [...hidden.keys()] });
      worst.logits = Math.max(worst.logits, relativeError(found.logits, logits));
      for (const [layer, values] of hidden) worst.hidden = Math.max(worst.hidden, relativeError(found.hidden.get(layer), values));
    }
    const answer = await collect(model.generate({ ids, temperature: 0, ignoreEos: true, maxTokens: greedy.length }));
    const leads = rowsOf(greedyLogits, model.info.vocabSize).map((row) => leaderOf(row).lead);
    const parted = agreeingTokens(answer.tokens, greedy);
    tokens += greedy.length;
    tokensCompared += parted;
    if (parted < greedy.length && !(leads[parted] < nearTie)) wrongTokens++;
  }
  return { ...worst, tokens, tokensCompared, wrongTokens };
}
