import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../tensor/checkpoint.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
let folder = '';

function ingot(args: readonly string[]) {
  const env = { ...process.env, INGOT_MODEL: '', NO_COLOR: '', INGOT_HOME: folder };
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', input: '', env, timeout: 60_000, killSignal: 'SIGKILL' });
}

describe.skipIf(!existsSync(main))('ingot run', () => {
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-run-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('holds an answer to a form', () => {
    const file = join(folder, 'person.json');
    writeFileSync(file, JSON.stringify({ type: 'object', properties: { age: { type: 'integer', minimum: 0, maximum: 99 } },
      required: ['age'] }));
    const asked = (...args: string[]) => ingot(['run', 'Tom is 12.', '--seed', '1', ...args]);
    expect(JSON.parse(asked('--schema', file).stdout)).toEqual({ age: expect.any(Number) as number });
    expect(asked('--choice', 'red', '--choice', 'green').stdout.trim()).toMatch(/^(red|green)$/u);
    expect(asked('--regex', '[a-c]{2}-\\d').stdout.trim()).toMatch(/^[a-c]{2}-\d$/u);
    const tools = join(folder, 'tools.json');
    writeFileSync(tools, '[{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "maxProperties": 0}}}]');
    expect(asked('--tools', tools, '--tool-choice', 'look', '--no-think').stdout).toMatch(/^look\(\{\s*\}\)\n$/u);
    const several = JSON.parse(asked('--choice', 'red', '--json', '--answers', '2', '--logprobs', '1').stdout) as { answers: JsonObject[] };
    expect(several.answers.map(({ text }) => text)).toEqual(['red', 'red']);
    expect(several.answers[0]!['logprobs']).toHaveLength((several.answers[0]!['tokens'] as unknown[]).length);
    const { status, stderr } = asked('--regex', '(a)\\1');
    expect(status).not.toBe(0);
    expect(stderr).toContain('a reference back');
  });

  it('shows a prompt that it echoes, and says what infill needs', () => {
    const echo = ingot(['run', 'Once upon a time', '--raw', '--echo', '-n', '3', '-t', '0']);
    expect(echo.stdout).toMatch(/^Once upon a time\S*[, ]/u);
    expect(ingot(['run', 'def add', '--suffix', 'x']).stderr).toContain('infill needs a model whose vocabulary has tokens for a prefix');
  });
});
