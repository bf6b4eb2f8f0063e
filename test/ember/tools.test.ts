import { expect, it } from 'vitest';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { answerTask } from '../../src/evaluation/answer-task.ts';
import { readEvaluationFile } from '../../src/evaluation/evaluation-file.ts';
import { passesCheck } from '../../src/evaluation/task-check.ts';
import { collect } from '../../src/engine/collect.ts';
import { emberFixtures, withModel } from './ember-files.ts';

it('the bundled model passes as many tool tasks through runTools as with plain text', { tags: 'slow', timeout: 1_800_000 }, async () => {
  const file = await readEvaluationFile(`${emberFixtures}eval.jsonl`);
  if (file.kind !== 'tasks') throw new Error(`eval.jsonl was taken for ${file.kind}`);
  const tasks = file.tasks.filter(({ tools }) => tools !== undefined);
  await withModel(bundledModelPath(), { device: 'cpu', threads: 2 }, async (model) => {
    const passed = { runTools: 0, plain: 0 };
    for (const task of tasks) {
      const { messages, tools, thinking, check } = task;
      if (passesCheck(await answerTask(model, task, { maxTokens: 512, signal: undefined }), check)) passed.runTools++;
      const greedy = { temperature: 0, repetitionPenalty: 1, maxTokens: 512 };
      if (passesCheck(await collect(model.generate({ ...greedy, messages, tools, reasoning: thinking })), check)) passed.plain++;
    }
    expect(tasks).toHaveLength(45);
    expect(passed.runTools).toBeGreaterThanOrEqual(passed.plain);
    expect(passed.runTools).toBeGreaterThanOrEqual(44);
  });
});
