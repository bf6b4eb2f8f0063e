import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkModels } from './absent-models.ts';
import { narrowPlan } from './narrow-plan.ts';
import type { BenchmarkPlan } from './plan.ts';

const plan = {
  models: [{ path: '/a/one.gguf', as: {} }, { path: '/a/two.gguf', as: { x: 'y' }, reference: '/b/two-f16.gguf' }], maxMinutes: 3,
} as unknown as BenchmarkPlan;

it('takes some of a plan, from another folder, for so long', () => {
  expect(narrowPlan(plan, {})).toEqual(plan);
  expect(narrowPlan(plan, { only: ['two'], models: '/m', maxMinutes: 9 })).toEqual({
    models: [{ path: join('/m', 'two.gguf'), as: { x: 'y' }, reference: join('/m', 'two-f16.gguf') }], maxMinutes: 9,
  });
  expect(() => narrowPlan(plan, { only: ['one', 'tow'] })).toThrow('--only names "tow", which the plan does not have; it has one, two.');
});

it('names all models that are not there, and how those of known shapes are made', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-absent-'));
  try {
    writeFileSync(join(folder, 'there.gguf'), '');
    const paths = (...names: string[]) => names.map((name) => ({ path: join(folder, name) }));
    expect(() => checkModels(paths('there.gguf'))).not.toThrow();
    expect(() => checkModels(paths('there.gguf', 'mine.gguf'))).toThrow(
      `The model ${join(folder, 'mine.gguf')} is not there. Where they lie in another folder, name that by --models.`,
    );
    const names = ['synth/qwen3-0.6b.gguf', 'synth/qwen3-30b-a3b-q8_0.gguf'];
    expect(() => checkModels(paths(...names))).toThrow(
      `Random weights of their shapes do for measuring speed: ${[
        `mkdir -p ${join(folder, 'synth')}`, `ingot synth qwen3-0.6b -o ${join(folder, names[0]!)}`,
        `ingot synth qwen3-30b-a3b --type q8_0 -o ${join(folder, names[1]!)}`,
      ].join(' && ')}`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
