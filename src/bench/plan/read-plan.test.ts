import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishedSchema } from './plan-schema.ts';
import { printedPlan, readPlan } from './read-plan.ts';

const repository = new URL('../../../', import.meta.url);

describe('a plan', () => {
  let folder = '';
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-plan-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const written = (value: unknown) => {
    const path = join(folder, 'plan.json');
    writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
    return path;
  };
  const isValid = new Ajv2020({ strict: false }).compile(publishedSchema());

  it('has its paths from where it lies, and says what its defaults are', () => {
    const path = written({
      models: ['a.gguf', { path: '/b.gguf', as: { Ollama: 'qwen3:0.6b' }, reference: 'b-f16.gguf', workloads: ['quality'] }],
      engines: ['ingot', { engine: 'llama-bench', title: 'Ollama', program: 'bin/llama-bench' }], text: 'notes.txt', quick: true,
    });
    const read = readPlan(path);
    expect(read.plan.models).toEqual([
      { path: join(folder, 'a.gguf'), as: {} },
      { path: '/b.gguf', as: { Ollama: 'qwen3:0.6b' }, reference: join(folder, 'b-f16.gguf'), workloads: ['quality'] },
    ]);
    expect(read.plan.engines[1]).toMatchObject({ title: 'Ollama', program: join(folder, 'bin', 'llama-bench') });
    expect([read.plan.runs, read.plan.pauseMs, read.plan.devices, read.results]).toEqual([1, 0, ['auto'], join(folder, 'plan.jsonl')]);
    // What is printed is a plan that says the same.
    const printed = JSON.parse(JSON.stringify(printedPlan(read)));
    expect(isValid(printed)).toBe(true);
    expect(printedPlan(readPlan(written(printed)))).toEqual(printedPlan(read));
  });

  it.each([
    [{}, 'models is missing in'],
    [{ models: [] }, 'models in .* is empty'],
    [{ models: [7] }, 'models\\[0\\] in .* must be a text or an object, found number 7'],
    [{ models: ['a'], workload: ['decode'] }, 'workload in .* Did you mean "workloads"'],
    [{ models: ['a'], workloads: ['decod'] }, 'workloads\\[0\\] in .* Did you mean "decode"'],
    [{ models: ['a'], engines: ['llama'] }, 'engines\\[0\\] in .* must be one of ingot, llama.cpp'],
    [{ models: ['a'], devices: ['gpu:x'] }, 'devices\\[0\\] in .* must look like'],
    [{ models: ['a'], runs: 0 }, 'runs in .* must be 1 to 1000, found 0'],
    [{ models: ['a'], runs: 1.5 }, 'runs in .* must be an integer, found number 1.5'],
    [{ models: ['a'], sizes: { prefill: ['512'] } }, 'sizes.prefill\\[0\\] in .* must be an integer'],
    [{ models: [{ path: 'a', as: { Ollama: '' } }] }, 'models\\[0\\].as.Ollama in .* is empty'],
    [[], 'The plan in .* must be an object'],
  ] as const)('%j is refused by name', (plan, message) => {
    expect(isValid(plan)).toBe(false);
    expect(() => readPlan(written(plan))).toThrow(new RegExp(message));
  });

  it.each([
    ['{', 'is not valid JSON'],
    [{ models: ['a'], engines: ['ingot', 'ingot'] }, 'has "ingot" twice: give one a "title"'],
    [{ models: ['a'], engines: [{ engine: 'llama.cpp', threads: 2 }, { engine: 'llama.cpp', threads: 2 }] }, 'has "llama.cpp" twice'],
    [{ models: ['a'], engines: [{ engine: 'llama.cpp', title: 'ingot', threads: 2 }, 'ingot'] }, 'has "ingot" twice'],
    [{ models: [{ path: 'a', as: { Ollama: 'b' } }] }, 'names "Ollama", which is none of its engines: ingot'],
  ])('%j is no plan', (plan, message) => expect(() => readPlan(written(plan))).toThrow(message));

  it('may try an engine with several numbers of threads', () => {
    const engines = ['ingot', ...[1, 2].map((threads) => ({ engine: 'llama.cpp', threads }))];
    const { plan } = readPlan(written({ models: ['a.gguf'], engines }));
    expect(plan.engines.map(({ title, threads }) => [title, threads])).toEqual([['ingot', undefined], ['llama.cpp', 1], ['llama.cpp', 2]]);
  });

  it('has the schema that is published (node dist/cli/main.js bench run --print-schema > docs/bench-plan.schema.json)', () => {
    expect(JSON.parse(readFileSync(new URL('docs/bench-plan.schema.json', repository), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(publishedSchema())),
    );
  });

  it.each(['race', 'cpu'])('of this repository can be read: %s', (name) => {
    const path = new URL(`bench/plans/${name}.json`, repository);
    expect(isValid(JSON.parse(readFileSync(path, 'utf8')))).toBe(true);
    expect(readPlan(path.pathname).plan.models.length).toBeGreaterThan(1);
  });
});
