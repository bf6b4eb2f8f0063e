import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { readEvaluationFile } from '../../src/evaluation/evaluation-file.ts';
import { answerTasks, compareTasks, parseTaskReference } from '../../src/evaluation/task-accuracy.ts';
import { emberFixtures, withModel } from './ember-files.ts';

/** Of 475; the f32 reference passes 468. */
const FEWEST_PASSED = 464;
/** In no skill may it pass this many fewer than the reference. */
const SKILL_LOSS = 3;

it(`the bundled model passes at least ${FEWEST_PASSED} of the 475 tasks`, { tags: 'slow', timeout: 1_800_000 }, async () => {
  const file = await readEvaluationFile(`${emberFixtures}eval.jsonl`);
  if (file.kind !== 'tasks') throw new Error(`eval.jsonl was taken for ${file.kind}`);
  const referenceText = readFileSync(`${emberFixtures}eval_reference.json`, 'utf8');
  const report = await withModel(bundledModelPath(), { device: 'cpu', threads: 2 }, (model) =>
    answerTasks(model, file.tasks, { streams: 8 }),
  );
  const { skills } = compareTasks(report, parseTaskReference(referenceText, 'eval_reference.json'));
  const failed = report.results.filter(({ passed }) => !passed).map(({ id, answer }) => `${id}: ${answer}`);
  expect(report.cases).toBe(475);
  expect(report.passed, failed.join('\n')).toBeGreaterThanOrEqual(FEWEST_PASSED);
  const losses = skills.map(({ skill, passed }, i) => ({ skill, loss: passed - report.skills[i]!.passed }));
  expect(losses.filter(({ loss }) => loss >= SKILL_LOSS)).toEqual([]);
});
