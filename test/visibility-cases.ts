/**
 * Models whose attention has windows or looks in both directions, with what transformers makes of them
 * (scripts/fixtures/attention_visibility.py).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Model } from '../src/engine/api.ts';
import { collect } from '../src/engine/collect.ts';
import { createModel } from '../src/engine/model.ts';
import { openCheckpoint } from '../src/files/open-checkpoint.ts';
import type { Executor } from '../src/graph/executor.ts';
import { locate } from '../src/node/open-path.ts';
import type { JsonObject } from '../src/tensor/checkpoint.ts';
import { f32Of, fixturesPath, readFixtureTensors } from './fixture-tensors.ts';
import { relativeError } from './relative-error.ts';

interface VisibilityCase {
  /** Of test/fixtures/golden. */
  readonly folder: string;
  /** What its config.json says besides. */
  readonly settings: JsonObject;
  readonly ids: readonly number[];
  readonly positions: readonly number[];
  readonly greedy: readonly number[];
}

const folder = join(fixturesPath, 'visibility');
export const VISIBILITY_CASES = readdirSync(folder).flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -5)] : []));

export async function loadVisibilityCase(
  name: string,
  executor: Executor,
): Promise<{ readonly model: Model; readonly wanted: VisibilityCase }> {
  const wanted = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as VisibilityCase;
  const checkpoint = await openCheckpoint(await locate(join(fixturesPath, 'golden', wanted.folder)));
  return {
    wanted,
    model: await createModel({ checkpoint: { ...checkpoint, config: { ...checkpoint.config, ...wanted.settings } }, executor }),
  };
}

/** Logits, hidden states and greedy tokens, sampled from logits and wherever the executor likes to. */
export async function expectVisibilityCase(name: string, executor: Executor): Promise<void> {
  const tensors = readFixtureTensors(join(folder, `${name}.safetensors`));
  const { model, wanted: { ids, positions, greedy } } = await loadVisibilityCase(name, executor);
  try {
    const hidden = [...tensors.keys()].flatMap((tensor) => (tensor.startsWith('hidden.') ? [Number(tensor.slice(7))] : []));
    const found = await model.forward(ids, { positions, hidden });
    expect(relativeError(found.logits, f32Of(tensors, 'logits')), 'logits').toBeLessThan(1e-4);
    for (const layer of hidden)
      expect(relativeError(found.hidden.get(layer) as Float32Array, f32Of(tensors, `hidden.${layer}`)), `layer ${layer}`).toBeLessThan(
        1e-4,
      );
    expect(
      relativeError(
        await model.forward(ids, { positions: positions.slice(-1) }),
        f32Of(tensors, 'logits').subarray(-model.info.vocabSize),
      ),
    ).toBeLessThan(1e-4);
    const options = { ids, temperature: 0, ignoreEos: true, maxTokens: greedy.length };
    expect((await collect(model.generate(options))).tokens).toEqual(greedy);
    expect((await collect(model.generate({ ...options, logprobs: true }))).tokens).toEqual(greedy);
  } finally {
    await model.dispose();
  }
}
