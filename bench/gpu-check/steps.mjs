/** Many decode steps in a submit against one: the same tokens, as long as a context is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomIds } from '../../dist/bench/workloads.js';
import { agreeingTokens } from './compare-values.mjs';
import { emberPath, gpuExecutor, synthetic, withModel } from './open-model.mjs';

const SETTINGS = {
  greedy: { temperature: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 },
  // Greedy text may fall into a loop, which would hide a token taken twice.
  sampled: { temperature: 0.8, topK: 40, topP: 0.95, seed: 11 },
};

export async function checkSteps(context) {
  const { prompts } = JSON.parse(readFileSync(join(context.fixtures, 'ember', 'golden.json'), 'utf8'));
  const story = prompts.find(({ id }) => id === 'story').ids;
  const count = context.isQuick ? 24 : 2000;
  await compareSubmits(context, {
    name: 'ember-21m',
    path: emberPath,
    ids: story,
    count,
    settings: context.isQuick ? ['greedy'] : ['greedy', 'sampled'],
  });
  if (context.isQuick) return;
  const path = await synthetic(context, 'qwen3-0.6b', 'q4_0');
  await compareSubmits(context, {
    name: 'qwen3-0.6b',
    path,
    ids: randomIds(48, { seed: 5, vocabSize: 150_000 }),
    count,
    settings: ['greedy'],
  });
}

async function compareSubmits(context, { name, path, ids, count, settings }) {
  const generate = async (stepsPerSubmit) => {
    const executor = await gpuExecutor(context, { ...context.profile, stepsPerSubmit });
    const runs = {};
    await withModel(executor, path, { contextLength: 2048 }, async (model) => {
      for (const setting of settings)
        runs[setting] = await readTokens(model.generate({ ...SETTINGS[setting], ids, ignoreEos: true, maxTokens: count }));
    });
    return runs;
  };
  const { stepsPerSubmit } = context.profile;
  const [many, one] = [await generate(stepsPerSubmit), await generate(1)];
  for (const setting of settings) {
    const [found, wanted] = [many[setting], one[setting]];
    const equal = agreeingTokens(found.tokens, wanted.tokens);
    // A comparison of one step with one step shows nothing; a software adapter is too slow to be given more.
    const differs = wanted.mostAtOnce === 1 && (found.mostAtOnce > 1 || context.device === 'software');
    const passed = equal === count && found.tokens.length === count && differs;
    context.report(`${name} ${setting}`, passed, {
      tokens: count, equal, distinct: new Set(found.tokens).size, stepsPerSubmit, mostAtOnce: found.mostAtOnce, updates: found.updates,
      tokensPerSecond: Math.round(found.tokensPerSecond), oneStepTokensPerSecond: Math.round(wanted.tokensPerSecond),
    });
  }
}

/** All tokens, in how many pieces they came, and the most of a piece. */
async function readTokens(generation) {
  const tokens = [];
  let [updates, mostAtOnce, tokensPerSecond] = [0, 0, 0];
  for await (const piece of generation) {
    tokens.push(...piece.tokens);
    updates++;
    mostAtOnce = Math.max(mostAtOnce, piece.tokens.length);
    tokensPerSecond = piece.timings?.decodeTokensPerSecond ?? 0;
  }
  return { tokens, updates, mostAtOnce, tokensPerSecond };
}
