/** Tokens that the GPU samples against the CPU's sampler on the same logits. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decoderSteps } from '../../dist/graph/decoder-steps.js';
import { randomIds } from '../../dist/bench/workloads.js';
import { createCandidates, cutMinP, cutTopP, drawCandidate, selectCandidates } from '../../dist/engine/candidates.js';
import { uniformAt } from '../../dist/engine/philox.js';
import { argmax, createSampler } from '../../dist/engine/sampler.js';
import { resolveSampling } from '../../dist/engine/sampling-settings.js';
import { hasPenalties } from '../../dist/graph/sampling.js';
import { emberPath, gpuExecutor, synthetic, withProgram } from './open-model.mjs';

/** Tokens may differ where the draw, top-p or min-p is this near to an edge, in shares of the total weight. */
const MARGIN = 1e-6;

const SETTINGS = {
  'temperature 0.8, top-k 40, top-p 0.95': { temperature: 0.8, topK: 40, topP: 0.95, seed: 1234 },
  'the same with penalties': {
    temperature: 0.8,
    topK: 40,
    topP: 0.95,
    seed: 99,
    repetitionPenalty: 1.15,
    presencePenalty: 0.3,
    frequencyPenalty: 0.2,
  },
  'temperature 1, min-p 0.02': { temperature: 1, minP: 0.02, seed: 5 },
  'temperature 1, nothing cut': { temperature: 1, seed: 2 ** 40 + 17 },
  greedy: { temperature: 0, seed: 0 },
};

export async function checkSampling(context) {
  const { prompts } = JSON.parse(readFileSync(join(context.fixtures, 'ember', 'golden.json'), 'utf8'));
  const models = [{ name: 'ember-21m', path: emberPath, ids: prompts.find(({ id }) => id === 'story').ids }];
  if (!context.isQuick)
    models.push({
      name: 'qwen3-0.6b',
      path: await synthetic(context, 'qwen3-0.6b', 'q4_0'),
      ids: randomIds(40, { seed: 1, vocabSize: 150_000 }),
    });
  const count = context.isQuick ? 10 : 200;
  const executor = await gpuExecutor(context);
  for (const { name, path, ids } of models) {
    await withProgram(executor, path, { contextLength: 512, maxRows: 64 }, async (opened) => {
      for (const [what, options] of Object.entries(SETTINGS).slice(0, context.isQuick ? 2 : undefined)) {
        const settings = resolveSampling(options);
        const tokens = await sampleOnGpu(opened, ids, settings, count);
        const figures = await compareDraws(opened, ids, settings, tokens);
        context.report(`${name}, ${what}`, figures.draws === count && figures.wrong === 0, {
          ...figures,
          distinct: new Set(tokens).size,
          margin: MARGIN,
        });
      }
    });
  }
}

async function sampleOnGpu({ program: { chooser }, pages }, ids, sampling, limit) {
  const choice = chooser.open({ sampling, history: { promptIds: ids, outputIds: [] } });
  const submit = async (tokens, start, steps) => {
    const { results } = await chooser.submit({ sequences: [{ tokens, start, pages: [pages], wanted: 'token', choice }], steps });
    return (await results)[0].tokens;
  };
  const tokens = [...(await submit(ids, 0, 1))];
  while (tokens.length < limit) {
    const steps = Math.min(chooser.mostSteps, limit - tokens.length);
    tokens.push(...(await submit([], ids.length + tokens.length - 1, steps)));
  }
  chooser.close(choice);
  return tokens;
}

/** Fetches the logits that each token was sampled from, by feeding the tokens one by one, and samples from them here. */
async function compareDraws({ program, pages, vocabSize }, ids, settings, tokens) {
  const candidates = createCandidates(vocabSize);
  const sampler = createSampler({ settings, promptIds: ids, candidates });
  const figures = { draws: 0, equal: 0, withinMargin: 0, wrong: 0 };
  let step = { tokens: ids, start: 0, pages: [pages], outputs: [ids.length - 1] };
  for (const [i, token] of tokens.entries()) {
    const { logits } = await decoderSteps(program).run({ sequences: [step] });
    figures.draws++;
    if (sampler.sample(logits) === token) figures.equal++;
    else if (nearDraws(hasPenalties(settings) ? candidates.penalised : logits, settings, i).has(token)) figures.withinMargin++;
    else figures.wrong++;
    step = { tokens: [token], start: ids.length + i, pages: [pages], outputs: [0] };
  }
  return figures;
}

/** Tokens that come of a draw and of cuts moved by the margin, after `count` tokens. `logits` after penalties. */
function nearDraws(logits, settings, count) {
  const { temperature, topK, topP, minP, seed } = settings;
  const uniform = uniformAt(seed, count);
  const candidates = createCandidates(logits.length);
  const max = logits[argmax(logits)];
  const found = new Set();
  if (temperature === 0) return found;
  for (const cut of [-MARGIN, 0, MARGIN]) {
    for (const draw of [-MARGIN, MARGIN]) {
      selectCandidates(candidates, logits, { max, topK, temperature });
      if (topP < 1) cutTopP(candidates, topP + cut);
      if (minP > 0) cutMinP(candidates, minP * (1 + cut));
      found.add(drawCandidate(candidates, uniform + draw));
    }
  }
  return found;
}
