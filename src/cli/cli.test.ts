import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { serveHttp } from '../../test/http-server.ts';
import { defaultMemoryBudget } from '../node/memory-budget.ts';
import { bundledModelPath } from '../node/package-root.ts';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
const llama = `${fixturesPath}golden/llama`;
const bundled = bundledModelPath();
let folder = '';

function ingot(args: readonly string[], input = '') {
  const env = { ...process.env, INGOT_MODEL: '', NO_COLOR: '', INGOT_HOME: folder };
  return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', input, env, timeout: 60_000, killSignal: 'SIGKILL' });
}

/** As {@link ingot}, while this process goes on, to be a server say. */
async function ingotMeanwhile(args: readonly string[]): Promise<{ readonly code: unknown; readonly stderr: string }> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000, killSignal: 'SIGKILL' });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [unknown];
  return { code, stderr };
}

describe.skipIf(!existsSync(main))('ingot', () => {
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-cli-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    [['run', 'a', 'b', 'c'], 2, 'quotes'],
    [['hello you', '--temperature', '-1'], 2, 'temperature must be'],
    [['hello you', '--no-such-option'], 2, '--no-such-option'],
    [['run', '--raw', '--system', 'x', 'y'], 2, '--system'],
    [[], 2, 'prompt is empty'],
    [['inspect', 'no-such-model.gguf'], 1, 'no-such-model.gguf'],
    [['kernels', bundled, '--profile', 'apple-m9'], 2, 'apple-m4'],
    [['inspect', bundled, '--profile', 'apple-m9'], 2, 'apple-m4'],
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
    const report = JSON.parse(ingot(['inspect', out, '--json']).stdout) as {
      architecture: string;
      tensors: unknown[];
      sizeBytes: number;
      model: { config: { layers: number } };
    };
    const { sizeBytes } = written;
    expect(report).toMatchObject({ architecture: 'llama', sizeBytes, model: { config: { layers: 3 } }, dialect: 'plain' });
    expect(ingot(['inspect', bundled]).stdout).toMatch(/^ +answers +hermes dialect$/m);
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
    const begun = ingot(['What is 17 + 25?', '-t', '0', '--no-think', '--prefill', '17 + 25']);
    expect(begun.stdout).toMatch(/^17 \+ 25\W/);
    expect(ingot(['run', 'a', '--raw', '--prefill', 'b'])).toMatchObject({ status: 2 });
  });

  it('chats over a pipe and remembers', () => {
    const { status, stdout } = ingot(
      ['chat', '-t', '0'],
      'My cat is called Tom.\n/nothing\n/think off\nWhat is my cat called?\n/exit\nnot read\n',
    );
    expect(status).toBe(0);
    expect(stdout).toContain('there is no command /nothing');
    expect(stdout.trimEnd().split('\n').at(-1)).toContain('Tom');
  });

  it('saves a chat, and goes on with it in another process', () => {
    const file = join(folder, 'talk.chat');
    const first = ingot(['chat', '-t', '0', '--no-think'], `My cat is called Tom.\n/save\n/save ${file}\n`);
    expect(first.status).toBe(0);
    expect(first.stdout).toContain('/save takes the name of a file');
    expect(first.stdout).toContain(`saved in ${file}`);
    const second = ingot(['chat', '-t', '0', '--no-think'], `/load ${file}\nWhat is my cat called?\n`);
    expect(second.status).toBe(0);
    expect(second.stdout).toMatch(/the conversation of .*talk\.chat, 2\s+messages/);
    expect(second.stdout.trimEnd().split('\n').at(-1)).toContain('Tom');
    // Where nobody is there to try again, what fails ends the chat.
    const none = ingot(['chat'], `/load ${file}x\nHello\n`);
    expect(none.status).toBe(1);
    expect(none.stderr).toContain('there is no such file');
    expect(none.stderr).toContain('Did you mean');
  });

  it('says what the machine has', () => {
    const report = JSON.parse(ingot(['doctor', '--json']).stdout) as {
      auto: { device: string };
      gpu: { problem?: string };
      cpu: { differences: string[] };
    };
    expect(report).toMatchObject({
      auto: { device: report.gpu.problem === undefined ? 'gpu' : 'cpu' },
      cpu: { differences: [], hasThreads: true },
    });
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
    // Sampled tokens may be the end token.
    const run = ingot(['run', '-m', path, '--ids', '1,2,3', '-n', '2', '-t', '0', '--ignore-eos', '--device', 'cpu', '--json']);
    expect(run.stderr).toMatch(warning);
    expect(JSON.parse(run.stdout)).toMatchObject({ finishReason: 'length' });
    const converted = ingot(['convert', path, '-o', join(folder, 'mystery.gguf')]);
    expect(converted.stderr).toMatch(warning);
    expect(converted.stderr).toContain(`ingot: warning: ${path} has no tokenizer.json, so the file has no tokenizer: `);
    expect(ingot(['convert', path, '-o', join(folder, 'none.gguf'), '--vocabulary', 'none']).stderr).not.toContain('tokenizer');
  });

  it('shows numbers as they were written', () => {
    const { stdout } = ingot(['inspect', bundled]);
    expect(stdout).toMatch(/rmsEps +1e-6\n/);
    expect(stdout).not.toContain('999999974');
    const report = JSON.parse(ingot(['inspect', bundled, '--json']).stdout) as {
      metadata: Record<string, unknown>;
      samplingDefaults: unknown;
    };
    expect(report.metadata['qwen3.attention.layer_norm_rms_epsilon']).toBe(1e-6);
    expect(report.samplingDefaults).toMatchObject({ temperature: 0.7, topP: 0.95 });
  });

  it('stops at SIGINT with code 130 and leaves no file behind', async () => {
    const child = spawn(process.execPath, [main, 'synth', 'qwen3-4b', '--type', 'f16', '-o', join(folder, 'big.gguf')], {
      stdio: 'ignore',
    });
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    while (!readdirSync(folder).some((name) => name.startsWith('big.gguf')) && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(readdirSync(folder).filter((name) => name.startsWith('big.gguf'))).toEqual([]);
  });

  it.each([
    [['deploy'], ['no command "deploy"', 'ingot run "deploy"']],
    [['deploy', '--port', '80'], ['no command "deploy"']],
    [['insepct', 'x.gguf'], ['Did you mean "inspect"?']],
    [['chta'], ['Did you mean "chat"?']],
    [['conv'], ['Did you mean "convert"?']],
    [['fetch', 'llama3'], ['no command "fetch"', 'ingot "fetch llama3"']],
    [['tell', 'me', 'a', 'story'], ['ingot "tell me a story"']],
    [['help', 'bnech'], ['Did you mean "bench"?']],
    [['-t', '0', 'run', 'hi'], ['options go after the command']],
    [['run', 'hello', 'world'], ['ingot run "hello world"']],
    [['package.json'], ['is a file, but no model', 'ingot run - < package.json']],
    [['inspect', '--jsno', 'x'], ["unknown option '--jsno'", 'Did you mean --json?']],
    [['run', 'a b', '--max-token', '3'], ['Did you mean --max-tokens?']],
    [['a b', '--temp', '0'], ["unknown option '--temp'", 'Did you mean --temperature?']],
    [['doctor', '--port', '80'], ["unknown option '--port'", '"ingot doctor --help" lists options']],
    [['a b', '--port', '80'], ["unknown option '--port'", '"ingot run --help" lists options']],
    [['run', 'a b', '--top-p', '3'], ['--top-p must be above 0']],
    [['run', 'a b', '--stop', ''], ['--stop', 'at least one character']],
    [['run', 'a b', '--json-mode', '--regex', 'a+'], ['--json-mode and --regex are two forms of one answer']],
    [['run', 'a b', '--schema', 'missing.json'], ['--schema', 'cannot be read']],
    [['run', 'a b', '--logit-bias', 'a'], ['--logit-bias', 'a token, "=" and a number from -100 to 100']],
    [['run', 'a b', '--answers', '2'], ['--answers is told in JSON: give it with --json']],
    [['run', 'a b', '--suffix', 'c', '--system', 'd'], ['--system is part of a chat template, which --suffix leaves out']],
    [['run', 'a b', '--tool-choice', 'required'], ['--tool-choice is of functions: give them with --tools']],
    [['run', 'a b', '--echo'], ['--echo prints the prompt as it is: give it with --raw or --ids']],
    [['run', 'a b', '--schema', 'README.md'], ['--schema', 'is no JSON']],
    [['inspect', 'a.gguf', 'b.gguf'], ['too many arguments']],
    [['doctor', 'now'], ['too many arguments']],
    [['doctor', '--device', 'gpu'], ['--device says what --tune is for']],
    [['doctor', '--tune', '--device', 'cpu'], ['"cpu" is not tuned', 'gpu or gpu:N']],
    [['chat', 'a.gguf', '--model', 'b.gguf'], ['given twice']],
    [['run', '--threads', 'many', 'hi'], ['--threads', 'integer from 1 to 256']],
    [['run', '--snapshot-bytes', '1MB', 'hi'], ['--snapshot-bytes', 'integer of at least 0']],
    [['eval', bundled, bundled], ['--model']],
    [['eval', 'notes.txt', bundled], [`ingot eval notes.txt --model ${bundled}`]],
    [['kernels', bundled, '--profile', 'nvidia', '--keys', '2049'], ['--keys 2049', 'at most 2048']],
    [['kernels', bundled, '--profile', 'nvidia', '--rows', '4096'], ['--rows 4096', 'at most 1024']],
  ] as [string[], string[]][])('%j is wrong usage', (args, texts) => {
    const { status, stdout, stderr } = ingot(args);
    for (const text of texts) expect(stderr).toContain(text);
    expect(stderr).not.toContain('INGOT_DEBUG');
    expect([status, stdout]).toEqual([2, '']);
  });

  it.each([
    [['run', 'no-such/model.gguf', 'hi'], 'no such file'],
    [['inspect', bundled.replace('.gguf', '.guf')], `Did you mean ${bundled}?`],
    [['run', bundled, 'hi', '--context', '999999'], '--context must be'],
    [['run', bundled, 'hi', '--device', 'cpu', '--per-layer-table', 'host'], '--per-layer-table "host" is for models with a table'],
    [['run', bundled, 'hi', '--device', 'cpu', '--quantize', 'q4_0'], '--quantize "q4_0" is for weights of floats'],
    [['run', 'hello there', '--context', '5'], 'larger --context'],
    [['run', 'test/fixtures/golden/lfm2_plain', '--ids', '1', '--snapshot-bytes', '5'], '--snapshot-bytes 5 holds no snapshot'],
    [['eval', bundled], 'is a model (GGUF), not a text'],
    [['eval', tmpdir()], 'not a regular file'],
    [['inspect', 'src'], 'holds no model'],
    [['run', 'README.md', 'hi'], 'not a model file'],
    [['kernels', bundled, '--profile', 'nvidia', '--dump', 'package.json/x'], 'cannot open or write'],
    [['bench', bundled, '--device', 'cpu', '--quick', '--json', 'package.json/x'], 'cannot open or write'],
    [['synth', 'qwen3-0.6b', '-o', 'no-such/x.gguf'], 'its folder does not exist'],
    [['run', 'http://127.0.0.1:9/m.gguf', 'hi'], 'http://127.0.0.1:9/m.gguf'],
    [['chat', llama, '--device', 'cpu'], 'has no chat template, so it cannot chat: continue a text with "ingot run --raw"'],
  ] as [string[], string][])('%j fails in plain words', (args, text) => {
    const { status, stdout, stderr } = ingot(args);
    expect(stderr).toContain(text);
    expect(stderr).not.toMatch(/INGOT_DEBUG|\n {4}at /);
    expect([status, stdout]).toEqual([1, '']);
  });

  it('a server that is asked again is told of while it is waited for', async () => {
    let requests = 0;
    const server = await serveHttp((_request, response) => response.writeHead(++requests === 1 ? 503 : 404).end());
    const { code, stderr } = await ingotMeanwhile(['run', `${server.origin}/m.gguf`, 'hi']);
    await server.close();
    expect(stderr.split('\n')[0]).toMatch(
      /^ingot: http:\/\/127\.0\.0\.1:\d+\/m\.gguf: the server answered 503 Service Unavailable; attempt 2 of 5 in \d\.\d s$/,
    );
    expect(code).toBe(1);
  });

  it.each(['gpu', 'software', 'reference'])('--threads beside --device %s are refused, in the words of the command line', (device) => {
    const { status, stderr } = ingot(['run', '--device', device, '--threads', '2', 'hi']);
    expect(stderr).toContain(
      `--threads is for the CPU device, and --device is ${device}: leave out --threads, or use --device cpu.`,
    );
    expect(stderr).not.toContain('threads 2 is');
    expect(status).toBe(2);
  });

  it.each([
    ['/m.gguf', 'ingot: ORIGIN/ has no file "m.gguf" (ORIGIN/m.gguf: the server has no such file (status 404)).'],
    [
      '/folder',
      'ingot: ORIGIN/folder has no config.json, which says what model it is (ORIGIN/folder/config.json: ' +
        'the server has no such file (status 404)). Copy or download it beside the weights.',
    ],
  ])('a URL that answers 404 is told: %s', async (path, told) => {
    const server = await serveHttp((_request, response) => response.writeHead(404).end('not here'));
    const { code, stderr } = await ingotMeanwhile(['run', `${server.origin}${path}`, 'hi']);
    await server.close();
    expect(stderr).toBe(`${told.replaceAll('ORIGIN', server.origin)}\n`);
    expect(code).toBe(1);
  });

  it('a model is found by a path with spaces, letters of all kinds, and ~', () => {
    const home = join(folder, 'my h\u00f6me');
    mkdirSync(home);
    cpSync(bundled, join(home, 'm \u65e5\u672c.gguf'));
    const env = { ...process.env, HOME: home, USERPROFILE: home };
    const { status, stdout } = spawnSync(
      process.execPath,
      [main, 'run', '--model=~/m \u65e5\u672c.gguf', 'What is 17 + 25?', '-t', '0', '--no-think'],
      { encoding: 'utf8', input: '', env },
    );
    expect([status, stdout]).toEqual([0, '17 + 25 = 42\n']);
  });

  it('what is piped joins the prompt after a blank line', () => {
    const tokensOf = (args: string[], input: string | Buffer) => {
      const { status, stdout } = spawnSync(process.execPath, [main, 'run', '--json', '-n', '1', '-t', '0', ...args], {
        encoding: 'utf8',
        input,
      });
      return { status, promptTokens: (JSON.parse(stdout) as { usage: { promptTokens: number } }).usage.promptTokens };
    };
    const joined = tokensOf(['Sum this up:\n\nThe hen lives in the coop.'], '');
    expect(tokensOf(['Sum this up:'], 'The hen lives in the coop.\n')).toEqual(joined);
    expect(tokensOf(['Sum this up:'], '\ufeffThe hen lives in the coop.\r\n')).toEqual(joined);
    expect(tokensOf([], 'Sum this up:\n\nThe hen lives in the coop.\n')).toEqual(joined);
    expect(tokensOf(['-'], 'Sum this up:\n\nThe hen lives in the coop.')).toEqual(joined);
    expect(tokensOf(['--raw', 'Hello'], '\n')).toEqual(tokensOf(['--raw', 'Hello'], ''));
  });

  it.each([
    ['a byte that UTF-8 does not have', Buffer.from([0x68, 0xff, 0x69]), 'expected UTF-8'],
    ['half a character', Buffer.from([0x68, 0xe6, 0x97]), 'expected UTF-8'],
    ['UTF-16', Buffer.from('\ufeffhello', 'utf16le'), 'found UTF-16'],
    ['NUL', Buffer.from('a\0b'), 'NUL'],
    ['a model', readFileSync(bundled).subarray(0, 100_000), 'a GGUF model'],
    ['more than is read', Buffer.alloc(65 * 1024 * 1024, 'a'), '64 MiB'],
  ])('refuses %s on stdin', (_, input, text) => {
    for (const args of [['run', 'Sum this up'], ['chat']]) {
      const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', input });
      expect(status).toBe(1);
      expect(stderr).toContain(text.replace(args[0] === 'chat' ? '64 MiB' : '', args[0] === 'chat' ? 'more than' : ''));
      expect(stderr).not.toContain('INGOT_DEBUG');
    }
  });

  it('says that it waits for stdin', async () => {
    const child = spawn(process.execPath, [main, 'run', 'What is 17 + 25?', '-t', '0', '--no-think']);
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += String(chunk)));
    child.stderr.on('data', (chunk: Buffer) => (stderr += String(chunk)));
    while (!stderr.includes('waiting for stdin')) await new Promise((resolve) => setTimeout(resolve, 20));
    child.stdin.end();
    expect((await once(child, 'close'))[0]).toBe(0);
    expect(stdout).toBe('17 + 25 = 42\n');
  });

  it('pipes get the answer as it is: no wrapping, no progress, no colour unless forced', () => {
    const env = { ...process.env, INGOT_MODEL: '', NO_COLOR: '', FORCE_COLOR: '', COLUMNS: '20' };
    const run = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', input: '', env });
    const { stdout, stderr } = run('run', '-t', '0', 'Tell me a story about a fox called Ash.');
    expect(stdout.split('\n').some((line) => line.length > 120)).toBe(true);
    expect(stdout + stderr).not.toContain('\u001b');
    expect(stderr).not.toContain('reading');
    env.FORCE_COLOR = '1';
    expect(run('run', '-t', '0', 'What is 17 + 25?').stderr).toContain('\u001b[2m');
    env.FORCE_COLOR = '0';
    expect(run('run', '-t', '0', 'What is 17 + 25?').stderr).not.toContain('\u001b');
  });

  it.skipIf(process.platform === 'win32')('a reader that leaves ends it quietly; a full disk is told; no stdin is an empty one', () => {
    const shell = (line: string) => spawnSync('bash', ['-c', line, 'bash', process.execPath, main], { encoding: 'utf8', timeout: 60_000 });
    const left = shell('"$1" "$2" run "Tell me a long story" -t 0 < /dev/null | head -c 5; echo "${PIPESTATUS[0]}"');
    expect(left.stdout).toMatch(/^.{5}0\n$/);
    expect(left.stderr).not.toContain('EPIPE');
    const full = shell('"$1" "$2" run "What is 17 + 25?" -t 0 < /dev/null > /dev/full');
    expect(full.status).toBe(1);
    expect(full.stderr).toContain('no space is left');
    expect(shell('"$1" "$2" run "What is 17 + 25?" -t 0 --no-think <&-').stdout).toBe('17 + 25 = 42\n');
  });

  it('a chat that outgrows the context goes on, and says so in its own words', () => {
    const lines =
      'My cat is called Tom and he lives in the barn.\nWhere does a hen live?\nWhere does a fish live?\nWhat is 4 + 5?\nWhat is 2 + 2?\n';
    const { status, stdout, stderr } = ingot(['chat', '-t', '0', '--no-think', '--context', '100'], lines);
    expect(status).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(5);
    expect(stderr).toMatch(
      new RegExp(
        String.raw`^ingot: the conversation is longer than the context of 100 tokens: ` +
          String.raw`the oldest (turn was|\d+ turns were) left out; --context 2048 keeps more$`,
        'm',
      ),
    );
    const full = ingot(['run', 'Tell me a story about a fox called Ash', '-t', '0', '--no-think', '--context', '60']);
    expect(full.status).toBe(0);
    expect(full.stderr).toContain('stopped: prompt and answer fill the context of 60 tokens; --context 2048 holds more');
    expect(ingot(['run', 'Tell me a story', '-n', '5']).stderr).toContain('stopped after 5 tokens; --max-tokens N gives more');
  });

  it('doctor tells a reason once', () => {
    const { stdout, stderr } = ingot(['doctor']);
    expect(stderr).toBe('');
    const { devices, system: { memoryBudget } } = JSON.parse(ingot(['doctor', '--json']).stdout) as {
      devices: { reason: string }[];
      system: { memoryBudget: { bytes: number; reason: string } };
    };
    // What every model may take here, and why.
    expect(memoryBudget).toEqual(defaultMemoryBudget(undefined));
    expect(stdout).toMatch(new RegExp(`memory budget +[\\d.]+ GB \\(${memoryBudget.reason}\\)`));
    for (const { reason } of devices) expect(stdout.split(reason)).toHaveLength(2);
  });

  it.each([
    ['doctor'],
    ['run', 'What is 17 + 25?', '-n', '3', '--threads', '16'],
    ['chat', '--threads', '16'],
    ['tokenize', bundled, 'hi'],
    ['inspect', bundled],
    ['kernels', bundled, '--profile', 'nvidia'],
    ['eval', `${fixturesPath}ember/eval.jsonl`, '--limit', '2', '--max-tokens', '5', '--threads', '16'],
    ['bench', bundled, '--device', 'cpu', '--threads', '16', '--quick', '--workloads', 'prefill'],
  ])("%s has no warning of Node's at 16 threads", (...args) => {
    // As many processors as a large machine has: `doctor` measures with a thread on each.
    const preload = join(folder, 'sixteen.cjs');
    writeFileSync(preload, "require('node:os').availableParallelism = () => 16;");
    const env = { ...process.env, INGOT_MODEL: '', NODE_OPTIONS: `--trace-warnings --require ${preload}` };
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], {
      encoding: 'utf8',
      input: args[0] === 'chat' ? 'hi\n' : '',
      env,
    });
    expect(status).toBe(0);
    expect(stderr.replaceAll(/^(ingot: .*|cpu .*tok\/s|\(thinking\).*)\n/gm, '')).toBe('');
  });

  it.each([
    ['run', '--json', 'hi', '-n', '2'], ['inspect', bundled, '--json'], ['tokenize', bundled, 'hi', '--json'], ['doctor', '--json'],
    ['eval', `${fixturesPath}ember/eval.jsonl`, '--limit', '1', '--max-tokens', '3', '--json'],
  ])('%s %s %s prints JSON alone', (...args) => {
    const { stdout } = ingot(args);
    expect(typeof JSON.parse(stdout)).toBe('object');
    expect(stdout.trimEnd()).not.toContain('\n');
  });
});
