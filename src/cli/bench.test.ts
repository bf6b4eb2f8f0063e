import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundledModelPath } from '../node/package-root.ts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const model = bundledModelPath();
const env = { ...process.env, NO_COLOR: '1', LLAMA_BENCH: '', LLAMA_BATCHED_BENCH: '' };

function bench(...args: readonly string[]) {
  return spawnSync(process.execPath, [main, 'bench', ...args], { encoding: 'utf8', env, timeout: 120_000, killSignal: 'SIGKILL' });
}

/** Figures of a file of results; notes stand between them. */
const recordsOf = (path: string) =>
  readFileSync(path, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, never>)
    .filter((line) => !('note' in line));

/** Processes whose parent or ancestor was started with this marker in its environment. */
function processesWith(marker: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(marker);
    } catch {
      return false;
    }
  });
}

describe.skipIf(!existsSync(main))('ingot bench', () => {
  let folder = '';
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-bench-test-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    [['--workloads', 'decode,sleep', model], 2, 'prefill, decode, ttft, load, turns'],
    [['--against', 'nobody', model], 2, 'llama.cpp, llama-bench'],
    [['--runs', '0', model], 2, 'from 1 to 1000'],
    [['--pause', '-1', model], 2, 'seconds from 0 to 3600'],
    [['--matrix-rate', '0', model], 2, 'above 0'],
    [['--streams', '4,0', model], 2, 'from 1 to 1024'],
    [[], 2, 'model'],
    [['no-such-model.gguf', '--device', 'cpu', '--quick'], 1, 'no-such-model.gguf'],
  ] as [string[], number, string][])('%j ends with %i', (args, code, text) => {
    const { status, stderr, stdout } = bench(...args);
    expect(status).toBe(code);
    expect(stderr).toContain(text);
    expect(stderr).not.toContain('    at ');
    expect(stdout).toBe('');
  });

  it('measures every workload, prints a table and appends records', () => {
    const json = join(folder, 'results.jsonl');
    const { status, stdout, stderr } = bench(
      model,
      '--device',
      'cpu',
      '--threads',
      '1',
      '--quick',
      '--kv-type',
      'q8/q4',
      '--against',
      'llama-bench',
      '--json',
      json,
    );
    expect(stderr).toMatch(/^ingot: task 2 of 6, about \d+ (?:s|min) left: decode 16 after 16, ingot: run 1 of 1$/m);
    expect(status).toBe(0);
    for (const measure of ['prefill 32', 'decode 16 after 16', 'TTFT 16', 'load', 'first request', 'TTFT of turn 3', 'prefix not reused'])
      expect(stdout).toContain(measure);
    expect(stdout).toContain('cpu (1 thread');
    expect(stdout).toContain('note: llama-bench is left out: give the path');
    const records = recordsOf(json);
    expect(records).toHaveLength(3 + 4 + 2 * 4);
    for (const record of records) {
      expect(record).toMatchObject({
        measure: expect.any(String),
        unit: expect.stringMatching(/^(tok\/s|ms|MB)$/),
        engine: { name: 'ingot' },
        device: { kind: 'cpu' },
        flags: { kv: 'q8/q4' },
        isQuick: true,
        warmups: 1,
        model: { file: 'ember-21m-q4_0.gguf', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
        machine: { node: process.versions.node },
      });
      expect(record['median']).toBeGreaterThan(0);
    }
    const decode = records.find(({ measure }) => measure === 'decode 16 after 16') as unknown as {
      median: number;
      limit: { perToken: number; share: number; limitPerSecond: number };
    };
    expect(decode.limit.share).toBeCloseTo((decode.limit.perToken * decode.median) / decode.limit.limitPerSecond, 9);
  });

  it('goes on with a plan where a run of it was cut, and does nothing where all is there', () => {
    const plan = join(folder, 'plan.json');
    const results = join(folder, 'of-the-plan.jsonl');
    const write = (workloads: readonly string[]) =>
      writeFileSync(
        plan,
        JSON.stringify({ models: [model], engines: ['ingot', 'llama-bench'], devices: ['cpu'], threads: 1, quick: true, workloads }),
      );
    write(['decode', 'structured']);
    expect(bench('run', plan, '--results', results).status).toBe(0);
    const first = recordsOf(results);
    expect(first.map(({ measure }) => measure)).toEqual([
      'decode 16 after 16', 'decode in a JSON schema', 'decode free, as many tokens', 'first token in a JSON schema',
      'answers as the schema says',
    ]);
    expect(first.at(-1)!['median']).toBe(100);
    // The last figure of the second task is half written, without the notes behind it.
    const text = readFileSync(results, 'utf8');
    writeFileSync(results, text.slice(0, text.lastIndexOf('"measure":"answers')));
    write(['prefill', 'decode', 'structured']);
    const second = bench('run', plan, '--results', results);
    expect([second.status, second.stderr.includes('ended within a line')]).toEqual([0, true]);
    const added = recordsOf(results).slice(4).map(({ measure }) => measure);
    expect(added).toEqual(['prefill 32', ...first.slice(1).map(({ measure }) => measure)]);
    const before = recordsOf(results).length;
    const third = bench('run', plan, '--results', results);
    expect([third.status, third.stderr.includes('run 1 of'), recordsOf(results).length]).toEqual([0, false, before]);
    expect(third.stdout).toContain('note: llama-bench is left out');
    // The table has what an earlier session left, and its day.
    for (const kept of ['prefill 32 DAY +tok/s', 'decode 16 after 16 DAY +tok/s', 'answers as the schema says DAY +%'])
      expect(third.stdout).toMatch(new RegExp(`^${kept.replace('DAY', '\\(kept, 20\\d\\d-\\d\\d-\\d\\d\\)')} +[\\d.,]+`, 'm'));
  });

  it('takes some of a plan, and says how absent models are made', () => {
    const plan = join(folder, 'narrow.json');
    writeFileSync(plan, JSON.stringify({ models: ['elsewhere/ember-21m-q4_0.gguf', 'qwen3-0.6b.gguf'] }));
    const some = ['--max-minutes', '9', '--only', 'ember-21m-q4_0', '--models', dirname(model), '--print-plan'];
    expect(JSON.parse(bench('run', plan, ...some).stdout)).toMatchObject({ models: [{ path: model }], maxMinutes: 9 });
    expect(bench('run', plan, '--only', 'ember').stderr).toContain('--only names "ember", which the plan does not have');
    const absent = bench('run', plan, '--only', 'qwen3-0.6b');
    const command = `: ingot synth qwen3-0.6b -o ${join(folder, 'qwen3-0.6b.gguf')}`;
    expect([absent.status, absent.stderr]).toEqual([1, expect.stringContaining(command)]);
  });

  it.skipIf(process.platform === 'win32')('serves many streams at a time, beside the program that gives them one length', () => {
    // Says what llama-batched-bench does of 2 streams, prompts in 0.25 s and answers in 0.5, and now and then loses the end of it.
    const program = join(folder, 'llama-batched-bench');
    const row = JSON.stringify({ n_kv_max: 64, t_pp: 0.25, t_tg: 0.5 });
    writeFileSync(
      program,
      `#!${process.execPath}\nconst args = process.argv;\n` +
        `const isFirst = !require('node:fs').existsSync(${JSON.stringify(`${program}.ran`)});\n` +
        `if (args.includes('2,2')) require('node:fs').writeFileSync(${JSON.stringify(`${program}.ran`)}, '');\n` +
        `const rows = isFirst ? ${JSON.stringify(row)} : ${JSON.stringify(`${row}\n${row}`)};\n` +
        "console.log(args.includes('--version') ? 'version: 7 (abc)' : args.includes('2,2') ? rows : '');\n",
      { mode: 0o755 },
    );
    const { status, stdout, stderr } = bench(
      model, '--device', 'cpu', '--threads', '1', '--quick', '--workloads', 'concurrency,interruption', '--streams', '2', '--stream-answer',
      '10', '--against', 'llama-batched-bench', '--llama-batched-bench', program,
    );
    expect(stderr).not.toContain('Error');
    expect(status).toBe(0);
    expect(stdout).toContain('llama-batched-bench 7 (abc) on cpu (1 thread)');
    expect(stdout).toMatch(/^2 streams, answers +tok\/s +[\d.,]+ +26\.7 /m);
    expect(stdout).toMatch(/^2 streams, decode +tok\/s +[\d.,]+ +40\.0 /m);
    expect(stdout).toMatch(/^2 streams, first token p99 +ms +[\d.,]+ +250 /m);
    expect(stdout).toMatch(/^2 streams, gap p50 +ms +[\d.,]+ +50\.0 /m);
    expect(stdout).toMatch(/^2 streams, gap p99 +ms +[\d.,]+ +- /m);
    expect(stdout).toMatch(/^2 streams of mixed lengths, answers +tok\/s +[\d.,]+ +- /m);
    expect(stdout).toMatch(/^a prompt of 64 beside a stream, longest gap +ms +[\d.,]+ /m);
    expect(stdout).toContain('note: 2 streams of mixed lengths: llama-batched-bench is left out');
  });

  it('sets the server beside the engine, its client in a process of its own', () => {
    const { status, stdout, stderr } = bench(
      model, '--device', 'cpu', '--threads', '1', '--quick', '--workloads', 'server', '--streams', '3', '--against',
      'ingot-server,llama-server', '--llama-server', join(folder, 'none'),
    );
    expect(stderr).not.toContain('Error');
    expect(status).toBe(0);
    for (const figure of ['answers', 'first token p50', 'first token p99'])
      expect(stdout).toMatch(new RegExp(`^3 streams, ${figure} +(tok/s|ms) +[\\d.,]+ +[\\d.,]+ `, 'm'));
    // Whose client stood still has had all of an answer at once: there is no gap in it, and no time in which all decoded.
    for (const figure of ['decode', 'gap p50', 'gap p99'])
      expect(stdout).toMatch(new RegExp(`^3 streams, ${figure} +(tok/s|ms) +[\\d.,]+ +([\\d.,]+|-) `, 'm'));
    expect(stdout).toContain('llama-server is left out: there is no program');
  });

  it('leaves out what the model has no room for, and says so', () => {
    const { status, stdout } = bench(model, '--device', 'cpu', '--workloads', 'decode', '--runs', '1', '--pause', '0');
    expect(status).toBe(0);
    expect(stdout).toContain('decode 128 after 128 ');
    expect(stdout).toContain('note: decode 128 after 4096 is left out: it takes 4225 positions, and the model has 2048');
  });

  it('stopped half-way, shows and keeps what it has', async () => {
    const json = join(folder, 'stopped.jsonl');
    const child = spawn(
      process.execPath,
      [
        main,
        'bench',
        model,
        '--device',
        'cpu',
        '--threads',
        '1',
        '--workloads',
        'prefill,drift',
        '--runs',
        '3',
        '--pause',
        '0',
        '--json',
        json,
      ],
      { env },
    );
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
      if (/prefill 512, ingot: run 2/.test(stderr)) child.kill('SIGINT');
    });
    expect((await once(child, 'close'))[0]).toBe(130);
    expect(stdout).toMatch(/^prefill 128 +tok\/s +[\d.,]+ \([\d.,-]+\) /m);
    // The signal may come late, but not after ten minutes of drifting.
    expect(stdout).toMatch(/^prefill 512 +tok\/s +[\d.,]+/m);
    expect(stdout).toMatch(/^note: stopped: (prefill 512; )?drift over 600 s not measured, or not to the end$/m);
    const kept =
      readFileSync(json, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { measure?: string; runs: number[] })
        .filter(({ measure }) => measure !== undefined)
        .map(({ measure, runs }) => [measure, runs.length]);
    const runs = kept.at(-1)![1] as number;
    expect(kept).toEqual([['prefill 128', 3], ['prefill 512', runs]]);
    expect([runs >= 1, stdout.includes('stopped: prefill 512; ')]).toEqual([true, runs < 3]);
    expect(/^prefill 512 .*, 1 run /m.test(stdout)).toBe(runs === 1);
  });

  it.skipIf(process.platform !== 'linux')('stops at Ctrl-C and leaves no process behind', async () => {
    const marker = `INGOT_BENCH_TEST=${process.pid}-${Date.now()}`;
    const [name, value] = marker.split('=') as [string, string];
    const child = spawn(process.execPath, [main, 'bench', model, '--device', 'cpu', '--threads', '1', '--workloads', 'decode'], {
      env: { ...env, [name]: value },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    await new Promise<void>((resolve, reject) => {
      child.on('exit', () => reject(new Error(`it ended by itself: ${text}`)));
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.includes('warm-up')) resolve();
      });
    });
    const ended = new Promise((resolve) => child.removeAllListeners('exit').on('exit', resolve));
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(processesWith(marker)).toEqual([]);
  });

  describe('with results', () => {
    const lines = (speed: number) =>
      [speed, speed * 1.01, speed * 0.99, speed, speed * 1.02].join(',');
    const record = (speed: number) =>
      `{"time":"2026-11-30T12:00:00Z","workload":"decode","measure":"decode 128 after 128","unit":"tok/s","commit":"abc",` +
      `"runs":[${lines(speed)}],` +
      `"median":${speed},"min":${speed},"max":${speed},"engine":{"name":"ingot","version":"1","device":"cpu"},"flags":{},"limit":null,` +
      `"machine":{"cpu":"a processor"},"model":{"file":"qwen3-0.6b.gguf","sizeBytes":1,"sha256":"f00"}}\n`;
    const file = (name: string, speed: number) => {
      writeFileSync(join(folder, name), record(speed));
      return join(folder, name);
    };

    it('compares two files, and ends with code 1 where one figure is slower', () => {
      const [base, next] = [file('base.jsonl', 100), file('next.jsonl', 80)];
      const slower = bench('--compare', base, next);
      expect(slower.stdout).toMatch(/0\.800x .* slower\n/);
      expect(slower.status).toBe(1);
      const same = bench('--compare', base, base);
      expect([same.status, same.stdout.includes('1 no difference shown')]).toEqual([0, true]);
      expect(bench('--compare', base, next, '--smallest', '30').status).toBe(0);
    });

    it('prints what others published, marked, with rows of one\'s own', () => {
      const { stdout, status } = bench('--published', '--json', file('own.jsonl', 123));
      expect(status).toBe(0);
      expect(stdout).toMatch(/MetalRT \(published\) +M4 Max +qwen3-0\.6b .* 658 +42% /);
      expect(stdout).toMatch(/ingot \(measured\) .*qwen3-0\.6b\.gguf .* 123/);
    });

    it('says what to run where', () => {
      const { stdout, status } = bench('advise', file('own.jsonl', 6), '--people', '3');
      expect([status, stdout]).toEqual([0, expect.stringMatching(/^qwen3-0\.6b\.gguf on cpu\n {2}Share one endpoint[^]*smaller model/)]);
      expect(JSON.parse(bench('advise', join(folder, 'own.jsonl'), '--json').stdout).models[0].advice).toHaveLength(1);
    });

    it('writes a report, with what others published where that is wanted', () => {
      const output = join(folder, 'report.html');
      const { stdout, status } = bench('report', file('own.jsonl', 123), '-o', output, '--published', '--title', 'Mine');
      expect([stdout, status]).toEqual([expect.stringMatching(/report\.html: 1 plots of 1 figures, \d+ kB/), 0]);
      expect(readFileSync(output, 'utf8')).toMatch(/<title>Mine<\/title>[^]*MetalRT, MLX 4-bit, Apple M4 Max/);
    });

    it.each([
      [['--compare', 'one.jsonl'], 'takes two files'],
      [['--compare', 'a.jsonl', 'b.jsonl', '--published'], 'found both of them'],
      [['--published', 'model.gguf'], 'found a model'],
      [['--smallest', '3', 'model.gguf'], 'is of --compare'],
      [['--published', '--runs', '3'], '--runs is for measuring'],
      [['--compare', 'a.jsonl', 'b.jsonl', '--decode-after', '8'], '--decode-after is for measuring'],
      [[], 'Expected a model to measure'],
      [['report', '--runs', '3', 'x.jsonl'], "unknown option '--runs'"],
      [['run'], 'Expected a plan'],
      [['run', 'x.json', '--print-schema'], '--print-schema is of all plans'],
      [['report'], "missing required argument 'results'"],
    ])('refuses %j', (args, message) => {
      const { stderr, status } = bench(...args);
      expect([stderr, status]).toEqual([expect.stringContaining(message), 2]);
    });
  });
});
