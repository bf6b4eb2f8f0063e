/** `npm test` on lanes that are made up, in a process of its own: which lanes run, what is counted, exit codes, an interruption. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from './repository.ts';

const moduleOf = (name: string) => JSON.stringify(pathToFileURL(join(repoRoot, 'scripts', name)).href);
/** `lanes` is the source of an array; `lane(name, run, more)` makes one. */
const programOf = (lanes: string) => `
  import { runTests } from ${moduleOf('run-tests.mjs')};
  import { check, noResult, runVitest, skip } from ${moduleOf('test-lane.mjs')};
  const { argv, env } = JSON.parse(process.argv[1]);
  const passing = async () => ({ ...noResult(), passed: 1 });
  const lane = (name, run, more) => ({ name, does: 'what ' + name + ' does', quick: true, run, ...more });
  process.exitCode = await runTests({ lanes: [${lanes}], argv, env });`;
const argumentsOf = (lanes: string, { argv = [], env = {} }: { argv?: string[]; env?: Record<string, string> }) =>
  ['--input-type=module', '-e', programOf(lanes), JSON.stringify({ argv, env })];

function run(lanes: string, options: { argv?: string[]; env?: Record<string, string> } = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, argumentsOf(lanes, options), { encoding: 'utf8' });
  const ran = [...stdout.matchAll(/^== \[(\d)\/(\d)\] (\S+): what \3 does ==$/gm)].map(([, , , name]) => name);
  return { status, ran, text: stdout, complaint: stderr, lastLine: stdout.trimEnd().split('\n').at(-1) };
}

describe('the lanes that run', () => {
  const lanes = `lane('build', passing, { always: true }), lane('core', passing), lane('kernels-node20', passing),
    lane('kernels-node22', passing, { quick: false })`;

  it.each<[string[], Record<string, string>, string[]]>([
    [[], {}, ['build', 'core', 'kernels-node20']],
    [[], { CI: 'true' }, ['build', 'core', 'kernels-node20']],
    [['--all'], {}, ['build', 'core', 'kernels-node20', 'kernels-node22']],
    [[], { npm_config_all: 'true' }, ['build', 'core', 'kernels-node20', 'kernels-node22']],
    [['core'], {}, ['build', 'core']],
    [['kernels', 'core'], {}, ['build', 'core', 'kernels-node20', 'kernels-node22']],
    [['kernels-node22', '--all'], {}, ['build', 'kernels-node22']],
  ])('npm test -- %j with %j', (argv, env, wanted) => {
    const { status, ran, text, lastLine } = run(lanes, { argv, env });
    expect(ran).toEqual(wanted);
    expect(text).toContain(`== [1/${wanted.length}] build: `);
    expect([status, lastLine]).toEqual([0, `${wanted.length} passed, 0 failed, 0 skipped`]);
  });

  it('names the lanes that only --all runs', () => {
    expect(run(lanes).text).toMatch(/^npm test -- --all also runs the slow tests and the lanes kernels-node22$/m);
    expect(run(lanes, { argv: ['--all'] }).text).not.toContain('--all');
  });

  it.each([['--al', "Unknown option '--al'"], ['cores', 'no lane named cores'], ['kern', 'no lane named kern']])(
    'refuses %s by name, and tells what there is', (argument, message) => {
      const { status, ran, complaint } = run(lanes, { argv: [argument] });
      expect([status, ran]).toEqual([2, []]);
      expect(complaint).toContain(message);
      expect(complaint).toMatch(/kernels-node22 +what kernels-node22 does \(only with --all, or by name\)/);
    },
  );

  it('are what the README and CI say', () => {
    expect(readFileSync(join(repoRoot, 'README.md'), 'utf8')).toMatch(/^ {4}npm test( |$)[^]*^ {4}npm test -- --all /m);
    const ci = readFileSync(join(repoRoot, '.ci', 'run'), 'utf8');
    expect(ci).toMatch(/^export CI=true\nexec npm test --silent -- --all\n$/m);
  });
});

describe('the verdict', () => {
  it('is 1 when something fails or throws, and the lanes after it run', () => {
    const { status, text, ran, lastLine } = run(`
      lane('core', async () => ({ ...noResult(), passed: 2, failed: 1, notes: ['failed a.test.ts: b'] })),
      lane('gpu', async () => { throw new Error('no such thing'); }), lane('house', passing)`);
    expect([status, ran, lastLine]).toEqual([1, ['core', 'gpu', 'house'], '3 passed, 2 failed, 0 skipped']);
    expect(text).toContain('\ncore: failed a.test.ts: b\ngpu: no such thing\n');
  });

  it('forgives a newcomer a lane that cannot run, and CI not', () => {
    const lanes = `lane('core', passing), lane('gpu', async () => skip('the GPU tests', 'no adapter'))`;
    const newcomer = run(lanes);
    expect(newcomer).toMatchObject({ status: 0, lastLine: '1 passed, 0 failed, 1 skipped' });
    expect(newcomer.text).toContain('\ngpu: skipped the GPU tests: no adapter\n');
    const inCi = run(lanes, { env: { CI: 'true' } });
    expect(inCi).toMatchObject({ status: 1, lastLine: '1 passed, 1 failed, 1 skipped' });
    expect(inCi.text).toContain('gpu: CI has what 1 of the skipped tests need');
  });

  it('of a command is its exit status, and of an example also what it prints', () => {
    const { text, status, lastLine } = run(`lane('good', (context) => check('good', ['-e', ''], { context })),
      lane('bad', (context) => check('bad', ['-e', 'console.log(1 + 1); process.exit(3)'], { context })),
      lane('late', (context) => check('late', ['-e', 'setInterval(() => {}, 1000)'], { context, timeoutMs: 200 })),
      lane('silent', (context) => check('silent', ['-e', ''], { context, mustPrint: true })),
      lane('warns', (context) => check('warns', ['-e', 'console.log(1); console.error(2)'], { context, mustPrint: true }))`);
    expect([status, lastLine]).toEqual([1, '1 passed, 4 failed, 0 skipped']);
    expect(text).toMatch(/== \[2\/5\] bad: what bad does ==\n2\n/);
    for (const note of ['bad ended with 3', 'late was ended after 0.2 s', 'silent printed nothing', 'warns printed on stderr'])
      expect(text).toContain(`\n${note.split(' ')[0]}: ${note}\n`);
  });
});

describe('a vitest project', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-lane-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function runProject(files: Record<string, string>, options: { argv?: string[]; env?: Record<string, string> } = {}) {
    const root = mkdtempSync(join(folder, 'project-'));
    writeFileSync(join(root, 'vitest.config.js'), `export default { test: { globals: true, tags: [{ name: 'slow' }] } };`);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(root, file), text);
    return run(`lane('made-up', (context) => runVitest('made-up', { context, selection: ['--root', ${JSON.stringify(root)}] }))`, options);
  }

  const slow = {
    'slow.test.js': `test('quick', () => {}); test('one', { tags: ['slow'] }, () => {});
      describe('group', { tags: ['slow'] }, () => {
        beforeAll(() => console.log('prepared')); test('two', () => {}); test('three', () => {});
      });`,
  };

  it('is counted test by test, and failures are shown with what was expected', () => {
    const { status, text, lastLine, complaint } = runProject({
      'counts.test.js': `test('passes', () => {}); test('fails', () => { expect('found').toBe('wanted'); }); test.skip('skips', () => {});`,
      'hook.test.js': `describe('hooks', () => { beforeAll(() => { throw new Error('no hook'); }); test('never runs', () => {}); });`,
      'broken.test.js': `import './not-there.js';`,
    });
    expect([status, lastLine]).toEqual([1, '1 passed, 3 failed, 2 skipped']);
    expect(text).toMatch(/^made-up: failed \S*counts\.test\.js: fails: AssertionError: expected 'found' to be 'wanted'.*$/m);
    expect(text).toMatch(/^made-up: failed \S*hook\.test\.js: a hook failed, see above$/m);
    expect(text).toMatch(/^made-up: failed \S*broken\.test\.js: .*not-there/m);
    expect(text).toMatch(/^made-up: skipped 1 in \S*counts\.test\.js: skips$/m);
    expect(complaint).toContain("expected 'found' to be 'wanted'");
    expect(complaint).toContain('no hook');
  });

  it('runs files that failed once more, and tells what passed then', () => {
    const counter = JSON.stringify(join(folder, 'times'));
    const flaky = `import { appendFileSync, readFileSync } from 'node:fs'; appendFileSync(${counter}, 'x');
      test('now and then', () => { expect(readFileSync(${counter}, 'utf8').length).toBe(2); }); test('always', () => {});`;
    const { status, text, lastLine } = runProject({ 'flaky.test.js': flaky, 'good.test.js': `test('passes', () => {});` });
    expect([status, lastLine]).toEqual([0, '3 passed, 0 failed, 0 skipped']);
    expect(text).toMatch(/^made-up: running once more what failed: \S*flaky\.test\.js$/m);
    expect(text).toMatch(/^made-up: passed the second time: failed \S*flaky\.test\.js: now and then: AssertionError: expected 1 to be 2/m);
    expect(readFileSync(join(folder, 'times'), 'utf8')).toBe('xx');
  });

  it('does not run many files again', () => {
    const files = Object.fromEntries([1, 2, 3, 4].map((i) => [`${i}.test.js`, `test('fails', () => { throw new Error('always'); });`]));
    const { status, text, lastLine } = runProject(files);
    expect([status, lastLine]).toEqual([1, '0 passed, 4 failed, 0 skipped']);
    expect(text).not.toContain('once more');
  });

  it('leaves slow tests out without --all, and says so', () => {
    const quick = runProject(slow);
    expect(quick).toMatchObject({ status: 0, lastLine: '1 passed, 0 failed, 3 skipped' });
    expect(quick.text).toMatch(/^made-up: skipped 1 slow in \S*slow\.test\.js: one\nmade-up: skipped 2 slow in \S*slow\.test\.js: group$/m);
    expect(quick.text).not.toContain('prepared');
    expect(runProject(slow, { argv: ['--all'] })).toMatchObject({ status: 0, lastLine: '4 passed, 0 failed, 0 skipped' });
  });

  it('may in CI skip what its platform lacks, and what is slow, but not what needs ../shared', () => {
    const env = { CI: 'true' };
    expect(runProject({ ...slow, 'platform.test.js': `test.skip('elsewhere', () => {});` }, { env }).status).toBe(0);
    const { status, text } = runProject({ ...slow, 'shared.test.js': `const sharedPath = 1; test.skip('weights', () => {});` }, { env });
    expect(status).toBe(1);
    expect(text).toContain('CI has what 1 of the skipped tests need');
  });

  it.each([
    ['ran no test', { 'none.test.js': `test.skip('nothing', () => {});` }, 'no test has run', 0],
    ['had an error outside of tests', { 'late.test.js': `test('a', () => { Promise.reject(Error('late')); });` }, 'though no test', 1],
  ])('that %s has failed', (_, files, note, passed) => {
    const { status, text } = runProject(files);
    expect(status).toBe(1);
    expect(text).toContain(note);
    expect(text).toMatch(new RegExp(`^${passed} passed, 1 failed, `, 'm'));
  });
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe.skipIf(process.platform === 'win32')('an interruption', () => {
  const signals = [['SIGINT', 130], ['SIGTERM', 143]] as const;

  it.each(signals)('by %s ends what the lane has started and prints the table so far', async (signal, code) => {
    const folder = mkdtempSync(join(tmpdir(), 'ingot-stop-'));
    try {
      const pids = join(folder, 'pids');
      // A child with a child of its own; the first will not listen to a polite signal.
      const child = `process.on('SIGTERM', () => {});
        const own = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
        require('node:fs').writeFileSync(${JSON.stringify(pids)}, process.pid + ' ' + own.pid + '\\n');
        setInterval(() => {}, 1000);`;
      const second = `(context) => check('second', ['-e', ${JSON.stringify(child)}], { context })`;
      const lanes = `lane('first', passing), lane('second', ${second}), lane('third', passing)`;
      const driver = spawn(process.execPath, argumentsOf(lanes, {}), { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      driver.stdout.on('data', (chunk) => (text += String(chunk)));
      const closed = new Promise((resolve) => driver.on('close', resolve));
      while (!existsSync(pids) || !readFileSync(pids, 'utf8').endsWith('\n')) await new Promise((resolve) => setTimeout(resolve, 20));
      driver.kill(signal);
      expect(await closed).toBe(code);
      expect(text).toMatch(/\nfirst +1 +0 +0 [^]*\nsecond: interrupted\n[^]*\nstopped by SIG(INT|TERM); not run: third\n/);
      expect(text.trimEnd().split('\n').at(-1)).toBe('1 passed, 0 failed, 0 skipped');
      // They were killed: what the system still has of them goes when it comes to it. One that lives runs into the test's limit.
      for (const pid of readFileSync(pids, 'utf8').split(' ').map(Number))
        while (isThere(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
