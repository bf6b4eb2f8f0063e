import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { bundledModelPath } from '../node/bundled-model.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const llama = `${fixturesPath}golden/llama`;
const bundled = bundledModelPath();
let folder = '';

function ingot(args: readonly string[], input = '') {
  const env = { ...process.env, INGOT_MODEL: '', NO_COLOR: '' };
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', input, env, timeout: 60_000, killSignal: 'SIGKILL' });
}

describe.skipIf(!existsSync(main))('ingot', () => {
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-cli-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['chat', 'run', 'inspect', 'tokenize', 'convert', 'synth', 'eval', 'bench', 'doctor', 'kernels'])('%s --help shows examples', (name) => {
    const { status, stdout } = ingot([name, '--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('Examples:');
    expect(stdout).toContain(`$ ingot ${name}`);
  });

  it.each([
    [['run', 'a', 'b', 'c'], 2, 'quotes'],
    [['hello', '--temperature', '-1'], 2, 'temperature must be'],
    [['hello', '--no-such-option'], 2, '--no-such-option'],
    [['run', '--raw', '--system', 'x', 'y'], 2, '--system'],
    [[], 2, 'prompt is empty'],
    [['inspect', 'no-such-model.gguf'], 1, 'no-such-model.gguf'],
    [['kernels', bundled, '--profile', 'apple-m9'], 1, 'apple-m4'],
    [['inspect', bundled, '--profile', 'nvidia', '--json'], 2, '--json'],
    [['synth', 'gpt-9', '-o', 'x.gguf'], 2, 'qwen3-0.6b'],
  ] as [string[], number, string][])('%j ends with %i and one line', (args, code, text) => {
    const { status, stderr } = ingot(args);
    expect(status).toBe(code);
    expect(stderr).toContain(text);
    expect(stderr).not.toContain('    at ');
  });

  it('converts, refuses to overwrite, and inspects', () => {
    const out = join(folder, 'llama.gguf');
    const args = ['convert', llama, '-o', out, '--type', 'f32', '--json'];
    const written = JSON.parse(ingot(args).stdout) as { sizeBytes: number; tensors: number };
    expect(ingot(args).status).toBe(2);
    expect(ingot([...args, '--force']).status).toBe(0);
    const report = JSON.parse(ingot(['inspect', out, '--json']).stdout) as { architecture: string; tensors: unknown[]; sizeBytes: number; model: { config: { layers: number } } };
    expect(report).toMatchObject({ architecture: 'llama', sizeBytes: written.sizeBytes, model: { config: { layers: 3 } } });
    expect(report.tensors).toHaveLength(written.tensors);
  });

  it('prints what a GPU would run, without one', () => {
    const plan = ingot(['inspect', bundled, '--profile', 'apple-m4']);
    expect([plan.status, plan.stdout.split('\n')[0]]).toEqual([0, 'profile apple-m4']);
    expect(plan.stdout).toMatch(/decode, 128 keys: \d+ dispatches, [\d.]+MB, [\d.]+M multiply-adds/);
    const out = join(folder, 'wgsl');
    const dumped = ingot(['kernels', bundled, '--profile', 'nvidia', '--keys', '2000', '--dump', out]);
    expect(dumped.stdout).toMatch(/decode, 2000 keys: .*[^]*attention-combine/);
    expect(dumped.stdout).toContain(`${readdirSync(out).length} modules written to ${out}`);
  });

  it('generates from ids with a model that has no tokenizer', () => {
    const { status, stdout } = ingot(['run', llama, '--ids', '1,2,3', '--json', '-n', '4', '-t', '0', '--ignore-eos']);
    expect(status).toBe(0);
    expect((JSON.parse(stdout) as { tokens: number[] }).tokens).toHaveLength(4);
  });

  it('tokenizes and decodes', () => {
    const { ids } = JSON.parse(ingot(['tokenize', bundled, 'Hello wörld', '--json']).stdout) as { ids: number[] };
    expect(ingot(['tokenize', bundled, '--decode', ids.join(',')]).stdout).toBe('Hello wörld\n');
    expect(JSON.parse(ingot(['tokenize', bundled, '-', '--json'], 'Hello wörld\n').stdout)).toMatchObject({ ids });
  });

  it('answers a prompt from stdin, the answer alone on stdout', () => {
    const { status, stdout, stderr } = ingot(['-t', '0'], 'What is 17 + 25?\n');
    expect(status).toBe(0);
    expect(stdout).toBe('17 + 25 = 42\n');
    expect(stderr).toMatch(/cpu \(.*prompt tokens.*TTFT.*prefill.*tok\/s.*decode.*tok\/s/);
    expect(stderr).toContain('(thinking) ');
    expect(ingot(['What is 17 + 25?', '-t', '0', '--no-think']).stderr).not.toContain('(thinking)');
  });

  it('chats over a pipe and remembers', () => {
    const { status, stdout } = ingot(['chat', '-t', '0'], 'My cat is called Tom.\n/nothing\n/think off\nWhat is my cat called?\n/exit\nnot read\n');
    expect(status).toBe(0);
    expect(stdout).toContain('there is no command /nothing');
    expect(stdout.trimEnd().split('\n').at(-1)).toContain('Tom');
  });

  it('says what the machine has', () => {
    const report = JSON.parse(ingot(['doctor', '--json']).stdout) as { auto: { device: string }; gpu: { problem?: string }; cpu: { differences: string[] } };
    expect(report).toMatchObject({ auto: { device: report.gpu.problem === undefined ? 'gpu' : 'cpu' }, cpu: { differences: [], hasThreads: true } });
  });

  it('inspects what it cannot run', () => {
    const path = join(folder, 'unknown');
    cpSync(llama, path, { recursive: true });
    const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as object;
    writeFileSync(join(path, 'config.json'), JSON.stringify({ ...config, model_type: 'unheard-of' }));
    const { status, stdout } = ingot(['inspect', path]);
    expect(status).toBe(0);
    expect(stdout).toContain('cannot be run');
    expect(stdout).toContain('model.embed_tokens.weight');
  });

  it('tells of settings that it does not know, wherever a model is opened', () => {
    const path = join(folder, 'mystery');
    cpSync(llama, path, { recursive: true });
    const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as object;
    writeFileSync(join(path, 'config.json'), JSON.stringify({ ...config, mystery: 3 }));
    const warning = /warning: .*mystery has a setting that is not known here and not used: mystery \(3\)\. If it changes/;
    expect(ingot(['inspect', path]).stdout).toMatch(warning);
    const run = ingot(['run', '-m', path, '--ids', '1,2,3', '-n', '2', '--device', 'cpu', '--json']);
    expect(run.stderr).toMatch(warning);
    expect(JSON.parse(run.stdout)).toMatchObject({ finishReason: 'length' });
    expect(ingot(['convert', path, '-o', join(folder, 'mystery.gguf')]).stderr).toMatch(warning);
  });

  it('shows numbers as they were written', () => {
    expect(ingot(['inspect', bundled]).stdout).toMatch(/rmsEps +1e-6\n/);
    const report = JSON.parse(ingot(['inspect', bundled, '--json']).stdout) as { metadata: Record<string, unknown>; samplingDefaults: unknown };
    expect(report.metadata['qwen3.attention.layer_norm_rms_epsilon']).toBe(1e-6);
    expect(report.samplingDefaults).toMatchObject({ temperature: 0.7, topP: 0.95 });
  });

  it('stops at SIGINT with code 130 and leaves no file behind', async () => {
    const child = spawn(process.execPath, [main, 'synth', 'qwen3-4b', '--type', 'f16', '-o', join(folder, 'big.gguf')], { stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    while (!readdirSync(folder).some((name) => name.startsWith('big.gguf')) && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(readdirSync(folder).filter((name) => name.startsWith('big.gguf'))).toEqual([]);
  });

  it.skipIf(process.platform !== 'linux' || spawnSync('script', ['--version']).status !== 0)('chats on a terminal: banner, dimmed thinking, Ctrl-C', async () => {
    const child = spawn('script', ['-qefc', `"${process.execPath}" "${main}" chat -t 0`, '/dev/null'], { env: { ...process.env, INGOT_MODEL: '', NO_COLOR: '', TERM: 'xterm' } });
    let shown = '';
    child.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    const until = async (pattern: RegExp) => {
      while (!pattern.test(shown) && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(shown).toMatch(pattern);
    };
    await until(/cpu \([\s\S]*> /);
    child.stdin.write('What is 17 + 25?\r');
    await until(/17 \+ 25 = 42[\s\S]*decode[\s\S]*> /);
    expect(shown).toContain('\u001b[2m7');
    shown = '';
    child.stdin.write('Tell a long story about a fox called Ash.\r');
    await until(/Ash was|Ash /);
    child.stdin.write('\u0003');
    await until(/> $|> \u001b/);
    child.stdin.write('\u0003');
    expect(await ended).toBe(130);
  });
});
