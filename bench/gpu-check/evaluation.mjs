/** The bundled model's whole evaluation: 475 tasks and the perplexity of 200 conversations, on the GPU and on the CPU. */
import { join } from 'node:path';
import { readEvaluationFile } from '../../dist/evaluation/evaluation-file.js';
import { measurePerplexity } from '../../dist/evaluation/perplexity.js';
import { answerTasks, compareTasks, spread } from '../../dist/evaluation/task-accuracy.js';
import { cpuExecutor, emberPath, gpuExecutor, withModel } from './open-model.mjs';

/** Tasks that the GPU may pass fewer than the CPU, in all and in one skill. */
const LOST_TASKS = 2;
const LOST_OF_SKILL = 1;
const PERPLEXITY_TOLERANCE = 2e-3;

export async function checkEvaluation(context) {
  const [gpu, cpu] = [await gpuExecutor(context), await cpuExecutor(context)];
  await withModel(cpu, emberPath, {}, (ofCpu) => withModel(gpu, emberPath, {}, async (ofGpu) => {
    await checkPerplexity(context, ofGpu, ofCpu);
    await checkTasks(context, ofGpu, ofCpu);
  }));
}

async function checkTasks({ fixtures, isQuick, report }, ofGpu, ofCpu) {
  const { tasks } = await readEvaluationFile(join(fixtures, 'ember', 'eval.jsonl'));
  const chosen = isQuick ? spread(tasks.filter(({ messages }) => JSON.stringify(messages).length < 300), 6) : tasks;
  const maxTokens = isQuick ? 16 : undefined;
  // At the same time: neither takes much of this thread.
  const [found, wanted] = await Promise.all([ofGpu, ofCpu].map((model) => answerTasks(model, chosen, { maxTokens })));
  const { lost, gained, sameText, skills } = compareTasks(found, new Map(wanted.results.map((result) => [result.id, result])));
  const losses = skills
    .map(({ skill, passed }, i) => ({ skill, lost: passed - found.skills[i].passed }))
    .filter(({ lost: count }) => count > LOST_OF_SKILL);
  const figures = {
    cases: found.cases, passed: found.passed, passedByCpu: wanted.passed, sameText, lost, gained, skillsLost: losses,
    tokens: found.completionTokens, decodeTokensPerSecond: Math.round(found.decodeTokensPerSecond),
  };
  report('tasks', found.passed >= wanted.passed - LOST_TASKS && losses.length === 0, figures);
}

async function checkPerplexity({ fixtures, isQuick, report }, ofGpu, ofCpu) {
  const { sequences } = await readEvaluationFile(join(fixtures, 'ember', 'heldout_ppl.jsonl'));
  const chosen = isQuick ? spread(sequences.filter(({ ids }) => ids.length < 80), 3) : sequences;
  const [found, wanted] = await Promise.all([ofGpu, ofCpu].map((model) => measurePerplexity(model, chosen)));
  const difference = found.answers.perplexity / wanted.answers.perplexity - 1;
  const figures = {
    sequences: chosen.length, answerTokens: found.answers.tokens, answers: round(found.answers), answersOfCpu: round(wanted.answers),
    all: round(found.all), allOfCpu: round(wanted.all), difference, tolerance: PERPLEXITY_TOLERANCE,
  };
  report('perplexity', found.answers.tokens === wanted.answers.tokens && Math.abs(difference) < PERPLEXITY_TOLERANCE, figures);
}

const round = ({ perplexity }) => perplexity.toFixed(6);
