/** What types of keys and values cost of the bundled model's perplexity: docs/key-value-types.md has all 200 sequences. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseEvaluationFile } from '../../src/evaluation/evaluation-file.ts';
import { measurePerplexity } from '../../src/evaluation/perplexity.ts';
import { spread } from '../../src/evaluation/task-accuracy.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { emberFixtures, isFullRun, withModel } from './ember-files.ts';

const lines = readFileSync(`${emberFixtures}heldout_ppl.jsonl`, 'utf8').trim().split('\n');

it('perplexity stays within 0.5% for q8, and within 1% for q4', { timeout: 900_000 }, async () => {
  const file = parseEvaluationFile(spread(lines, isFullRun ? Infinity : 20).join('\n'), 'heldout_ppl.jsonl');
  if (file.kind !== 'perplexity') throw new Error(`heldout_ppl.jsonl was taken for ${file.kind}`);
  const found: number[] = [];
  for (const kvType of ['f16', 'q8', 'q4', 'q8/q4'] as const) {
    const options = { device: 'cpu', threads: 2, kvType } as const;
    const result = await withModel(bundledModelPath(), options, (model) => measurePerplexity(model, file.sequences));
    found.push(result.all.perplexity);
  }
  const [f16, q8, q4, mixed] = found as [number, number, number, number];
  expect(Math.abs(q8 / f16 - 1)).toBeLessThan(0.005);
  expect(Math.abs(q4 / f16 - 1)).toBeLessThan(0.01);
  expect(Math.abs(mixed / f16 - 1)).toBeLessThan(0.01);
  expect(new Set(found).size).toBe(4);
});
