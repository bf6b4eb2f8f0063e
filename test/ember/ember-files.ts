/** What the tests of the bundled model share: its fixtures, its weights beyond the repository, and opening it. */
import { readFileSync } from 'node:fs';
import type { Model } from '../../src/engine/api.ts';
import { loadModel } from '../../src/node/load-model.ts';
import type { LoadModelOptions } from '../../src/node/load-model.ts';
import { fixturesPath, hasShared, sharedPath } from '../fixture-tensors.ts';

export interface GoldenPrompt {
  readonly id: string;
  readonly messages: { role: string; content: string }[];
  readonly tools?: Record<string, never>[];
  readonly thinking: boolean;
  readonly text: string;
  readonly ids: number[];
  readonly greedy_ids: number[];
  readonly greedy_text: string;
  /** Smallest gap in logits between a chosen token and the next best. */
  readonly greedy_smallest_lead: number;
}

export const emberFixtures = `${fixturesPath}ember/`;
/** The original weights, which a clone alone does not have. */
export const emberFolder = `${sharedPath}/ember-21m`;
export const hasEmberFolder = hasShared('ember-21m/model.safetensors');
/** INGOT_FULL=1 measures on whole files where the normal run takes a part. */
export const isFullRun = process.env['INGOT_FULL'] === '1';

export const goldenPrompts = (JSON.parse(readFileSync(`${emberFixtures}golden.json`, 'utf8')) as { prompts: GoldenPrompt[] }).prompts;

export async function withModel<Result>(path: string, options: LoadModelOptions, work: (model: Model) => Promise<Result>): Promise<Result> {
  const model = await loadModel(path, options);
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}
