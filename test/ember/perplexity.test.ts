import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { convertFile } from '../../src/node/convert.ts';
import type { ConvertOptions } from '../../src/node/convert.ts';
import { parseEvaluationFile } from '../../src/evaluation/evaluation-file.ts';
import { measurePerplexity } from '../../src/evaluation/perplexity.ts';
import type { PerplexityResult } from '../../src/evaluation/perplexity.ts';
import { spread } from '../../src/evaluation/task-accuracy.ts';
import { emberFixtures, emberFolder, hasEmberFolder, isFullRun, withModel } from './ember-files.ts';

interface Row {
  readonly nll: number;
  readonly tokens: number;
  readonly answer_nll: number;
  readonly answer_tokens: number;
}

const lines = readFileSync(`${emberFixtures}heldout_ppl.jsonl`, 'utf8').trim().split('\n');

/** Perplexities that transformers found in fp32. */
function referenceOf(chosen: readonly string[]): { readonly all: number; readonly answers: number } {
  const rows = chosen.map((line) => JSON.parse(line) as Row);
  const sum = (key: keyof Row) => rows.reduce((total, row) => total + row[key], 0);
  return { all: Math.exp(sum('nll') / sum('tokens')), answers: Math.exp(sum('answer_nll') / sum('answer_tokens')) };
}

async function measure(path: string, chosen: readonly string[]): Promise<PerplexityResult> {
  const file = parseEvaluationFile(chosen.join('\n'), 'heldout_ppl.jsonl');
  if (file.kind !== 'perplexity') throw new Error(`heldout_ppl.jsonl was taken for ${file.kind}`);
  return withModel(path, { device: 'cpu', threads: 2 }, (model) => measurePerplexity(model, file.sequences));
}

it('the bundled model stays within 0.6% of the reference on answer tokens', { timeout: 900_000 }, async () => {
  const { sequences, all, answers } = await measure(bundledModelPath(), lines);
  const reference = referenceOf(lines);
  expect(reference.answers).toBeCloseTo(1.1385, 4);
  expect([sequences, all.tokens, answers?.tokens]).toEqual([200, 24814, 8447]);
  expect(answers!.perplexity / reference.answers).toBeLessThan(1.006);
  expect(answers!.perplexity / reference.answers).toBeGreaterThan(0.994);
  expect(all.perplexity / reference.all).toBeCloseTo(1, 2);
});

describe.skipIf(!hasEmberFolder)('conversions of the original weights (../shared/ember-21m)', () => {
  const chosen = spread(lines, isFullRun ? Infinity : 20);
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ingot-ember-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function checkConversion(type: ConvertOptions['type'], limit: number): Promise<void> {
    const path = join(folder, `${type}.gguf`);
    await convertFile(emberFolder, path, { type });
    const { answers } = await measure(path, chosen);
    expect(Math.abs(answers!.perplexity / referenceOf(chosen).answers - 1)).toBeLessThan(limit);
  }

  const title = '%s is within %d of the reference on answer tokens';
  const quick = [['f32', 0.0001], ['q4_k_m', 0.005]] as const;
  const others = [['f16', 0.001], ['bf16', 0.001], ['q8_0', 0.003], ['q4_0', 0.006]] as const;
  it.each(quick)(title, { timeout: 900_000 }, checkConversion);
  it.each(others)(title, { tags: 'slow', timeout: 1_800_000 }, checkConversion);
});
