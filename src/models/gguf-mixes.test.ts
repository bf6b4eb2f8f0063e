import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { EXPORT_TYPES, tensorTypes } from './gguf-mixes.ts';
import type { ExportType } from './gguf-mixes.ts';
import { synthPlan } from './synth-shapes.ts';
import type { SynthModel } from './synth-shapes.ts';

interface Mixes {
  readonly names: readonly string[];
  /** By file type: types of the names in their order, `TYPE*COUNT` where several are alike. */
  readonly types: Readonly<Record<string, string>>;
}

const llama = JSON.parse(readFileSync(`${fixturesPath}llama-mixes.json`, 'utf8')) as Readonly<Record<string, Mixes>>;

/** As `ingot synth --layers` wrote the files that llama.cpp was asked about. */
const LAYERS: Readonly<Record<string, number>> = {
  'qwen3-0.6b': 20, 'qwen2.5-1.5b': 9, 'gemma-3-1b': 10, 'qwen3-30b-a3b': 2, 'lfm2.5-1.2b': 16, 'phi-4-mini': 10,
};

/** Plain names are the type alone here, as with llama-quantize's --pure. */
const PLAIN = new Set<string>(['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'mxfp4']);

function expanded(runs: string): string[] {
  return runs.split(' ').flatMap((run) => {
    const [type = '', count] = run.split('*');
    return Array<string>(Number(count)).fill(type);
  });
}

describe.each(Object.keys(llama))('types of the tensors of %s', (model) => {
  const { names, types } = llama[model]!;
  const plan = synthPlan(model as SynthModel, 'f16', LAYERS[model]);

  test.each(EXPORT_TYPES.filter((type) => !PLAIN.has(type)))('%s mixes as llama.cpp does', (type: ExportType) => {
    const want = new Map(expanded(types[type]!).map((own, i) => [names[i]!, own]));
    const made = synthPlan(model as SynthModel, type as never, LAYERS[model]).tensors;
    expect(made.map(({ name }) => name).toSorted()).toEqual([...want.keys()].toSorted());
    expect(made.map(({ name, type: own }) => `${name} ${own}`)).toEqual(made.map(({ name }) => `${name} ${want.get(name)}`));
  });

  test.each(['q4_0', 'q4_1', 'q5_0', 'q5_1'] as const)('%s is of one type', (type) => {
    const matrices = plan.tensors.filter(({ shape, type: own }) => shape.length > 1 && own === 'f16');
    const own = tensorTypes(matrices.map((tensor) => ({ ...tensor, weights: [] })), type, plan.config);
    expect(new Set(own)).toEqual(new Set([type]));
  });
});
