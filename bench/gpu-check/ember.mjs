/** The bundled model's golden prompts, token by token against transformers' f32 tokens and against the CPU on the same file. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { collect } from '../../dist/engine/collect.js';
import { agreeingTokens, compareRows, isNearTie, rowsOf } from './compare-values.mjs';
import { cpuExecutor, emberPath, gpuExecutor, withModel } from './open-model.mjs';

/** Of the logits' range: both round activations to int8, in blocks of their own. */
const CPU_TOLERANCE = 2e-2;
/** A golden prompt with a smaller least lead has ties that four bits may rightly break otherwise; it is compared with the CPU only. */
const CERTAIN_LEAD = 5;

/** A golden conversation, greedily; as many tokens as `golden` has. */
async function answer(model, { messages, tools, thinking }, count) {
  return (
    await collect(
      model.generate({
        messages,
        tools,
        reasoning: thinking,
        temperature: 0,
        repetitionPenalty: 1,
        presencePenalty: 0,
        frequencyPenalty: 0,
        maxTokens: count,
      }),
    )
  ).tokens;
}

export async function checkEmber(context) {
  const { prompts } = JSON.parse(readFileSync(join(context.fixtures, 'ember', 'golden.json'), 'utf8'));
  const chosen = context.isQuick ? prompts.filter(({ ids }) => ids.length < 90) : prompts;
  const [gpu, cpu] = [await gpuExecutor(context), await cpuExecutor(context)];
  await withModel(cpu, emberPath, {}, (ofCpu) => withModel(gpu, emberPath, {}, async (ofGpu) => {
    for (const prompt of chosen) {
      const { passed, figures } = await comparePrompt({ ofGpu, ofCpu, prompt, most: context.isQuick ? 12 : Infinity });
      context.report(`golden prompt ${prompt.id}`, passed, figures);
    }
  }));
}

/** Logits of both along the CPU's answer, then the GPU's own tokens up to a lead that the difference of the logits explains. */
async function comparePrompt({ ofGpu, ofCpu, prompt, most }) {
  const golden = prompt.greedy_ids.slice(0, most);
  const cpuTokens = await answer(ofCpu, prompt, golden.length);
  const gpuTokens = await answer(ofGpu, prompt, golden.length);
  const { vocabSize } = ofCpu.info;
  const positions = cpuTokens.map((_, i) => prompt.ids.length - 1 + i);
  const ids = [...prompt.ids, ...cpuTokens.slice(0, -1)];
  const [wanted, found] = [await ofCpu.forward(ids, { positions }), await ofGpu.forward(ids, { positions })];
  const { difference } = compareRows(found, wanted, vocabSize);
  const asCpu = agreeingTokens(gpuTokens, cpuTokens);
  const isExplained = asCpu === cpuTokens.length || isNearTie(rowsOf(wanted, vocabSize)[asCpu], difference);
  const asGolden = agreeingTokens(gpuTokens, golden);
  const isCertain = prompt.greedy_smallest_lead > CERTAIN_LEAD;
  const passed = difference < CPU_TOLERANCE && isExplained && (!isCertain || asGolden === golden.length);
  return {
    passed,
    figures: { tokens: golden.length, asCpu, asGolden, goldenIsCertain: isCertain, logits: difference, tolerance: CPU_TOLERANCE },
  };
}
