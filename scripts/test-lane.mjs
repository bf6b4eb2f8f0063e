// What a lane of `npm test` is made of: a command that passes or fails as one check, or a vitest project counted test by test.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { repoRoot } from './install.mjs';

/**
 * Counts of one lane. `unexcused` of the skipped ones needed something that CI always has: the peers, or ../shared.
 * @typedef {{ passed: number, failed: number, skipped: number, unexcused: number, notes: string[] }} LaneResult
 */

/**
 * What a lane gets from the run that it is part of. `all` asks for the slow tests too; `signal` ends what the lane has started.
 * @typedef {{ all: boolean, inCi: boolean, signal: AbortSignal }} LaneContext
 */

/** How a test file that needs what CI has (../shared, the peers) can be told from one that skips for the sake of its platform. */
const namesOfShared = /INGOT_SHARED|\bsharedPath\b|\bhasShared\b|\.\.\/shared\b|\bhasEmberFolder\b/;
const namesOfPeers = /\bpeers\/node_modules\b|\bnodeBinary\b|\bhas\w*(Peer|Chromium)\b/;
/** The tag, defined in vitest.config.ts, of tests that only `--all` runs. */
const slowTag = 'slow';
/** For a lane that hangs: its tests have limits of their own, far below. */
const laneTimeoutMs = 40 * 60_000;
/** What was asked to end has this long to do so. */
const graceMs = 2000;
/** More files than these do not fail by chance. */
const mostFilesAgain = 3;

/** @returns {LaneResult} */
export const noResult = () => ({ passed: 0, failed: 0, skipped: 0, unexcused: 0, notes: [] });

/** One thing that failed. */
export const failure = (note) => ({ ...noResult(), failed: 1, notes: [note] });

/** Something that this machine cannot run, counted as one skip with its name and reason. */
export const skip = (title, reason) => ({ ...noResult(), skipped: 1, unexcused: 1, notes: [`skipped ${title}: ${reason}`] });

/** @returns {LaneResult} */
export function sumOf(results) {
  const total = noResult();
  for (const result of results) {
    for (const key of ['passed', 'failed', 'skipped', 'unexcused']) total[key] += result[key];
    total.notes.push(...result.notes);
  }
  return total;
}

/** Sends a signal to a child and all that it has started: each child leads a process group of its own (which Windows does not have). */
function signalGroup(child, signal) {
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/** Calls `work` for each chunk that the stream gives, and passes the chunk on to `target`. */
function tee(stream, target, work) {
  stream?.on('data', (chunk) => {
    work();
    target.write(chunk);
  });
}

/**
 * Runs a Node program until it ends, the lane's signal ends it, or `timeoutMs` have passed. `ended` says in words how it ended where that
 * was not with status 0. With `watched` output, `printed` tells whether it said anything on stdout, `complained` on stderr; without, it
 * has our terminal, where there is one.
 * @param {{ context: LaneContext, node?: string, timeoutMs?: number, env?: NodeJS.ProcessEnv, watched?: boolean }} options
 */
function runNode(args, { context, node = process.execPath, timeoutMs = laneTimeoutMs, env = process.env, watched = false }) {
  return new Promise((resolve, reject) => {
    context.signal.throwIfAborted();
    const output = watched ? 'pipe' : 'inherit';
    const child = spawn(node, args, { cwd: repoRoot, env, stdio: ['ignore', output, output], detached: process.platform !== 'win32' });
    const seen = { printed: false, complained: false };
    tee(child.stdout, process.stdout, () => (seen.printed = true));
    tee(child.stderr, process.stderr, () => (seen.complained = true));
    let late = false;
    const end = () => {
      signalGroup(child, 'SIGTERM');
      setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs).unref();
    };
    const timer = setTimeout(() => {
      late = true;
      end();
    }, timeoutMs);
    context.signal.addEventListener('abort', end, { once: true });
    child.on('error', reject);
    child.on('exit', () => signalGroup(child, 'SIGKILL'));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      context.signal.removeEventListener('abort', end);
      const ended = late ? `was ended after ${timeoutMs / 1000} s` : code === 0 ? undefined : `ended with ${code ?? signal}`;
      resolve({ ended, ...seen });
    });
  });
}

/** One command, one check: it passes when it exits with 0 and, with `mustPrint`, has printed something, and nothing on stderr. */
export async function check(title, args, { mustPrint = false, ...options }) {
  const { ended, printed, complained } = await runNode(args, { ...options, watched: mustPrint });
  if (ended) return failure(`${title} ${ended}`);
  if (mustPrint && !printed) return failure(`${title} printed nothing`);
  if (mustPrint && complained) return failure(`${title} printed on stderr`);
  return { ...noResult(), passed: 1 };
}

/**
 * Runs one vitest project on a given Node. Its own reporter shows where it is; its JSON report is counted.
 * Where few files failed, these run once more, in a process of their own: a fault fails again, and what passes then is told by name with
 * what went wrong the first time, and does not fail the lane.
 * `selection` are the arguments of vitest that say which tests.
 */
export async function runVitest(project, { context, node, title = project, env, selection = ['--project', project] }) {
  const run = (more) => runOnce([...selection, ...more, ...(context.all ? [] : [`--tagsFilter=!${slowTag}`])], { context, node, env });
  const first = await run([]);
  const failed = (first.files ?? []).filter(({ result }) => result.failed > 0);
  const counted = resultOf(first, title);
  if (failed.length === 0 || failed.length > mostFilesAgain || context.signal.aborted) return counted;
  process.stdout.write(`\n${title}: running once more what failed: ${failed.map(({ name }) => name).join(', ')}\n`);
  const second = await run(failed.map(({ path }) => path));
  if (context.signal.aborted || resultOf(second, title).failed > 0) return counted;
  const others = first.files.filter((file) => !failed.includes(file));
  const notes = failed.flatMap(({ result }) => result.notes).filter((note) => note.startsWith('failed '));
  const told = { ...noResult(), notes: notes.map((note) => `passed the second time: ${note}`) };
  return sumOf([...others.map(({ result }) => result), ...second.files.map(({ result }) => result), told]);
}

/** Runs vitest and reads its report: `files` with the result of each, none where there is no report, and how it `ended` (runNode). */
async function runOnce(args, { context, node, env }) {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-test-'));
  const reportPath = join(folder, 'report.json');
  const vitest = join(repoRoot, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`];
  try {
    const { ended } = await runNode([vitest, 'run', ...args, ...reporters], { context, node, env });
    return { ended, files: readReport(reportPath) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).testResults.map(countFile);
  } catch {
    return undefined;
  }
}

/** @returns {LaneResult} */
function resultOf({ ended, files }, title) {
  if (files === undefined) return failure(`${title}: vitest ${ended ?? 'ended'} and left no report`);
  const result = sumOf(files.map((file) => file.result));
  if (result.failed > 0) return result;
  if (ended) return sumOf([result, failure(`${title}: vitest ${ended} though no test failed (an unhandled error?)`)]);
  // A pattern that finds no file, or files whose tests are all skipped, check nothing.
  return result.passed === 0 ? sumOf([result, failure(`${title}: no test has run`)]) : result;
}

/** The first line of what a test said, without colours. */
const firstLine = (message = '') => stripVTControlCharacters(message).split('\n')[0].slice(0, 300);

/**
 * @param {{ name: string, status: string, message: string, assertionResults: object[] }} file of vitest's JSON report
 * @returns {{ name: string, path: string, result: LaneResult }}
 */
function countFile(file) {
  const result = noResult();
  const name = relative(repoRoot, file.name);
  const source = readFileSync(file.name, 'utf8');
  const isForCi = namesOfShared.test(source) || namesOfPeers.test(source);
  // A file that cannot even be loaded, or whose hook fails, may have no test that fails.
  if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')) {
    result.failed += 1;
    result.notes.push(`failed ${name}: ${firstLine(file.message) || 'a hook failed, see above'}`);
  }
  const skippedIn = new Map();
  for (const test of file.assertionResults) {
    if (test.status === 'passed') result.passed += 1;
    else if (test.status === 'failed') {
      result.failed += 1;
      result.notes.push(`failed ${name}: ${test.fullName}: ${firstLine(test.failureMessages?.[0])}`);
    } else {
      const isSlow = test.tags.includes(slowTag);
      result.skipped += 1;
      if (isForCi && !isSlow) result.unexcused += 1;
      const group = `${isSlow ? ' slow' : ''} in ${name}: ${test.ancestorTitles[0] ?? test.title}`;
      skippedIn.set(group, (skippedIn.get(group) ?? 0) + 1);
    }
  }
  for (const [group, count] of skippedIn) result.notes.push(`skipped ${count}${group}`);
  return { name, path: file.name, result };
}
