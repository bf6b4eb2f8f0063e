import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesBelow, poolingFiles } from '../../test/embedding-model.ts';
import { f32Of, fixturesPath, readFixtureTensors } from '../../test/fixture-tensors.ts';
import { relativeError } from '../../test/relative-error.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const golden = join(fixturesPath, 'golden/bert');

/** Token `tN` has the id N. */
const tokenizer = {
  version: '1.0', added_tokens: [], normalizer: null, pre_tokenizer: { type: 'WhitespaceSplit' }, post_processor: null, decoder: null,
  model: { type: 'WordLevel', unk_token: 't100', vocab: Object.fromEntries(Array.from({ length: 101 }, (_, id) => [`t${id}`, id])) },
};

describe.skipIf(!existsSync(main))('ingot embed', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-embed-'));
    const prompts = { prompts: { query: 't7 t8 ', document: '' } };
    const extra = poolingFiles('mean_tokens', { 'tokenizer.json': tokenizer, 'config_sentence_transformers.json': prompts });
    for (const [name, bytes] of filesBelow(golden, extra)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), bytes);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function ingot(args: readonly string[], input = '') {
    const env = { ...process.env, INGOT_MODEL: '', NO_COLOR: '' };
    const device = ['--device', 'cpu', '--threads', '1'];
    return spawnSync(process.execPath, [main, 'embed', ...args, ...device], { encoding: 'utf8', input, env, timeout: 60_000 });
  }
  const linesOf = (stdout: string) =>
    stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { readonly text: string; readonly embedding: number[] });

  it("prints transformers' embeddings, a line of JSON a text, of arguments as of lines of stdin", () => {
    const { prompts } = JSON.parse(readFileSync(join(golden, 'golden.json'), 'utf8')) as { prompts: Record<string, number[]> };
    const texts = Object.values(prompts).map((ids) => ids.map((id) => `t${id}`).join(' '));
    const { stdout, stderr, status } = ingot([folder, ...texts]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = linesOf(stdout);
    expect(lines.map(({ text }) => text)).toEqual(texts);
    const tensors = readFixtureTensors(join(golden, 'golden.safetensors'));
    for (const [i, name] of Object.keys(prompts).entries())
      expect(relativeError(Float32Array.from(lines[i]!.embedding), f32Of(tensors, `${name}.mean_pooled`)), name).toBeLessThan(1e-4);
    expect(ingot([folder], `${texts.join('\n')}\n`).stdout).toBe(stdout);
    expect(ingot([folder, '-'], texts.join('\r\n')).stdout).toBe(stdout);
  });

  it('puts prompts before texts, and cuts to dimensions', () => {
    const [whole, asQuery, prompted, cut] = [
      ['t7 t8 t9'], ['t9', '--kind', 'query'], ['t9', '--prompt', 't7 t8 '], ['t7 t8 t9', '--dimensions', '5'],
    ].map((args) => linesOf(ingot([folder, ...args]).stdout)[0]!.embedding);
    expect(asQuery).toEqual(whole);
    expect(prompted).toEqual(whole);
    const length = Math.hypot(...whole!.slice(0, 5));
    expect(relativeError(Float32Array.from(cut!), Float32Array.from(whole!.slice(0, 5), (value) => value / length))).toBeLessThan(1e-6);
  });

  it.each([
    [['--dimensions', '0'], 2, 'Expected an integer of at least 1'],
    [['--dimensions', '49'], 1, '--dimensions must be an integer from 1 to 48'],
    [['--kind', 'passage'], 2, 'Allowed choices are query, document'],
    [['--kind', 'query', '--prompt', 'x'], 2, 'give one of them'],
    [['-'], 2, 'give either texts or "-"'],
    [['--per-layer-table', 'host'], 1, '--per-layer-table "host" is for'],
    [['', 't1'], 1, 'texts[1] is a text without tokens'],
  ] as const)('%j ends with %i and one line', (args, code, message) => {
    const { status, stderr } = ingot([folder, 't1', ...args]);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
    expect(status).toBe(code);
  });

  it('refuses no texts, and a model that makes no embeddings', () => {
    expect(ingot([folder]).stderr).toContain('stdin is empty: expected a text a line');
    expect(ingot([join(fixturesPath, 'golden/llama'), 't1']).stderr).toContain('embed needs a model of embeddings');
  });
});
