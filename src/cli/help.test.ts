/** What the help of every command says, and that its examples are understood. */
import { spawnSync } from 'node:child_process';
import type { SpawnSyncReturns } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { bundledModelPath } from '../node/package-root.ts';
import { COMMAND_NAMES as commands } from './command-names.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const llama = `${fixturesPath}golden/llama`;
const bundled = bundledModelPath();
/** What takes minutes, a network, a server, or files that the example only stands for. */
const LEFT_OUT = new RegExp(
  'https:|^ingot stop|synth |bench|embed |transcribe |talk |speak |pull |tokenizer\\.json|llama\\.cpp|convert|coder\\.gguf|' +
    'qwen3-vl\\.gguf|^ingot chat \\./model-folder|(?:show|rm) |qwen3:|--resume|--tune',
);
let folder = '';

function ingot(args: readonly string[]) {
  const env = { ...process.env, INGOT_MODEL: '', NO_COLOR: '', INGOT_HOME: folder };
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', input: '', env, timeout: 60_000, killSignal: 'SIGKILL' });
}

const helpTexts = new Map<string, SpawnSyncReturns<string>>();

/** The help of a command, which starts a process and loads much: once for all tests. */
function helpOf(...names: readonly string[]): SpawnSyncReturns<string> {
  const key = names.join(' ');
  if (!helpTexts.has(key)) helpTexts.set(key, ingot([...names, '--help']));
  return helpTexts.get(key)!;
}

describe.skipIf(!existsSync(main))('help', () => {
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-help-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(commands)('%s --help shows examples', (name) => {
    const { status, stdout } = helpOf(name);
    expect(status).toBe(0);
    expect(stdout).toContain('Examples:');
    expect(stdout).toContain(`$ ingot ${name}`);
  });

  it.each([[], ...commands.map((name) => [name])])('help of %s fits 80 columns and says defaults in words', (...names) => {
    const { stdout } = helpOf(...names);
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(stdout).not.toMatch(/default: (\[|\{|undefined)/);
  });

  it.skipIf(process.platform === 'win32').each(commands)('the examples of %s are understood', (name) => {
    const place = mkdtempSync(join(folder, 'examples-'));
    cpSync(bundled, join(place, 'model.gguf'));
    for (const copy of ['a.gguf', 'b.gguf']) cpSync(bundled, join(place, copy));
    cpSync(llama, join(place, 'model-folder'), { recursive: true });
    cpSync(`${fixturesPath}ember/eval.jsonl`, join(place, 'eval.jsonl'));
    cpSync(`${fixturesPath}ember/heldout_ppl.jsonl`, join(place, 'heldout.jsonl'));
    cpSync(`${fixturesPath}ember/eval_reference.json`, join(place, 'eval_reference.json'));
    writeFileSync(join(place, 'notes.txt'), 'Once upon a time there was a fox.');
    writeFileSync(join(place, 'text.txt'), 'Once upon a time there was a fox.');
    writeFileSync(join(place, 'person.json'), '{"type": "object", "properties": {"age": {"type": "integer"}}}');
    writeFileSync(join(place, 'serve.json'), '{"port": 9000}');
    writeFileSync(join(place, 'tools.json'), '[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]');
    // What these look at is begun by the first key.
    if (name === 'keys' || name === 'usage') expect(ingot(['keys', 'create', `for ${name}`]).status).toBe(0);
    const examples = [...helpOf(name).stdout.matchAll(/^ {2}\$ (.*)$/gm)].map(([, line]) => line!);
    expect(examples.length).toBeGreaterThan(0);
    for (const line of examples) {
      if (LEFT_OUT.test(line)) continue;
      const short = line
        .replace(
          /ingot (run|chat|eval)/,
          (_, command: string) => `ingot ${command} ${command === 'eval' ? '--limit 1 ' : ''}--max-tokens 3`,
        )
        // A server goes on: that its settings are understood is enough.
        .replace('ingot serve', 'ingot serve --print-config')
        .replace(/ \| jq.*/, '');
      const { status, stderr } = spawnSync('bash', ['-c', `ingot() { "$NODE" "$MAIN" "$@"; }; ${short}`], {
        cwd: place,
        encoding: 'utf8',
        input: '',
        env: { ...process.env, NODE: process.execPath, MAIN: main, INGOT_MODEL: '', INGOT_HOME: folder },
      });
      expect({ line, status, stderr: stderr.replaceAll(/^(ingot: (stopped|answering|the key).*|cpu .*|\(thinking\).*)\n/gm, '') }).toEqual({
        line,
        status: 0,
        stderr: expect.not.stringContaining('ingot: '),
      });
    }
  });
});
