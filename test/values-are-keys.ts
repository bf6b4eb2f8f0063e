/**
 * A dense Gemma 4 whose layers without a window have keys for values, and half as many heads of them: the golden of experts in ../shared
 * without its experts, with what transformers makes of it (scripts/fixtures/gemma4_values_are_keys.py).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { collect } from '../src/engine/collect.ts';
import { createModel } from '../src/engine/model.ts';
import { openCheckpoint } from '../src/files/open-checkpoint.ts';
import type { Executor } from '../src/graph/executor.ts';
import { locate } from '../src/node/open-path.ts';
import type { Checkpoint, JsonObject } from '../src/tensor/checkpoint.ts';
import { f32Of, fixturesPath, hasShared, readFixtureTensors, sharedPath } from './fixture-tensors.ts';
import { relativeError } from './relative-error.ts';

interface KeysCase {
  readonly settings: JsonObject;
  readonly ids: number[];
  readonly greedy: number[];
}

const path = join(fixturesPath, 'gemma4/values-are-keys');
const wanted = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as KeysCase;

export const hasValuesAreKeys = hasShared('golden/gemma4_moe/config.json');

export async function openValuesAreKeys(): Promise<Checkpoint> {
  const whole = await openCheckpoint(await locate(`${sharedPath}/golden/gemma4_moe`));
  const tensors = new Map([...whole.tensors].filter(([name]) => !/\.(router|experts)\.|layernorm_[12]\./.test(name)));
  return { ...whole, tensors, config: { ...whole.config, ...wanted.settings } };
}

/** Logits within `tolerance` of their range, and greedy tokens. The checkpoint is closed. */
export async function expectValuesAreKeys(checkpoint: Checkpoint, executor: Executor, tolerance: number): Promise<void> {
  const { ids, greedy } = wanted;
  const model = await createModel({ checkpoint, executor });
  try {
    expect(relativeError(await model.forward(ids), f32Of(readFixtureTensors(`${path}.safetensors`), 'logits'))).toBeLessThan(tolerance);
    const answer = await collect(model.generate({ ids, temperature: 0, ignoreEos: true, maxTokens: greedy.length }));
    expect(answer.tokens).toEqual(greedy);
  } finally {
    await model.dispose();
  }
}
