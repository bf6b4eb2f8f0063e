import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { bundledModelPath } from '../node/package-root.ts';
import { registerEval } from './eval.ts';
import { UsageError } from './exit-codes.ts';

const ember = `${fixturesPath}ember/`;
const model = ['--model', bundledModelPath(), '--threads', '2'];

/** What `ingot eval` writes to stdout. */
async function evaluate(...args: string[]): Promise<string> {
  let output = '';
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => (output += String(text)) !== ''),
    vi.spyOn(process.stderr, 'write').mockImplementation(() => true),
  ];
  try {
    const program = new Command('ingot').exitOverride();
    registerEval(program);
    await program.parseAsync(['eval', ...args], { from: 'user' });
    return output;
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

describe('ingot eval', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-eval-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('perplexity of a text', async () => {
    const path = join(folder, 'story.txt');
    writeFileSync(path, 'Once there was a clever robot called Bolt, who lived by the sea. He was clever, and he always had a plan.');
    const story = JSON.parse(await evaluate(path, ...model, '--json')) as {
      kind: string;
      sequences: number;
      all: { tokens: number; perplexity: number };
    };
    writeFileSync(path, 'sea clever by plan who Bolt. lived and there robot a always the called He, was a had he Once clever, was');
    const shuffled = JSON.parse(await evaluate(path, ...model, '--json')) as typeof story;
    expect(story).toMatchObject({ kind: 'perplexity', sequences: 1, device: 'cpu' });
    expect(story.all.perplexity).toBeGreaterThan(1);
    expect(shuffled.all.perplexity).toBeGreaterThan(4 * story.all.perplexity);
  });

  test('perplexity of some lines, answers apart', async () => {
    const output = await evaluate(`${ember}heldout_ppl.jsonl`, ...model, '--limit', '3');
    expect(output).toMatch(
      new RegExp(
        String.raw`^perplexity of ember-21m \(q4_0, f32\) on cpu .* on 3 sequences\n +all tokens +\d+\.\d{4} .*\n` +
          String.raw` +answer tokens +1\.\d{4} .* nats each\n$`,
      ),
    );
  });

  test('tasks by skill, beside a reference', async () => {
    const output = await evaluate(
      `${ember}eval.jsonl`,
      ...model,
      '--limit',
      '8',
      '--max-tokens',
      '40',
      '--reference',
      `${ember}eval_reference.json`,
    );
    expect(output).toMatch(/^answers of ember-21m/);
    expect(output).toMatch(/\n +arithmetic +\d\/\d +\d+\.\d% +reference +\d\n/);
    expect(output).toMatch(/\n +all +\d\/8 /);
    expect(output).toMatch(/same text as the reference: \d/);
  });

  test('--json holds every answer', async () => {
    const report = JSON.parse(await evaluate(`${ember}eval.jsonl`, ...model, '--limit', '2', '--max-tokens', '20', '--json')) as {
      kind: string;
      results: object[];
    };
    expect(report).toMatchObject({ kind: 'tasks', cases: 2, model: { name: 'ember-21m' } });
    expect(Object.keys(report.results[0]!)).toEqual(['id', 'skill', 'answer', 'passed']);
  });

  test('--reference without tasks is wrong usage, before a model is loaded', async () => {
    const path = join(folder, 'a.txt');
    writeFileSync(path, 'a b c');
    await expect(evaluate(path, '--model', 'nowhere', '--reference', path)).rejects.toThrow(UsageError);
  });
});
