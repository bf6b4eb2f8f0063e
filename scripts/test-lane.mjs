// What a lane of `npm test` is made of: a command that passes or fails as one check, or a vitest project counted test by test.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { repoRoot } from './install.mjs';

/**
 * Counts of one lane. `unexcused` of the skipped ones needed something that CI always has: the peers, or ../shared.
 * @typedef {{ passed: number, failed: number, skipped: number, unexcused: number, notes: string[] }} LaneResult
 */

/** How a test file that reads ../shared can be told from one that skips for the sake of its platform. */
const readsShared = /INGOT_SHARED|\bsharedPath\b|\.\.\/shared\b/;

const laneTimeoutMs = 15 * 60_000;

/** A lane that this machine cannot run, counted as one skip with its name and reason. */
export function skip(title, reason) {
  return { passed: 0, failed: 0, skipped: 1, unexcused: 1, notes: [`skipped ${title}: ${reason}`] };
}

/** Runs a lane; one that throws has failed. */
export async function runStep(run) {
  try {
    return await run();
  } catch (error) {
    return { passed: 0, failed: 1, skipped: 0, unexcused: 0, notes: [error.message] };
  }
}

/** Exit status of a Node program whose output goes to ours; `printed` tells whether it said anything on stdout, `complained` on stderr. */
function runNode(args, { node = process.execPath, timeoutMs = laneTimeoutMs, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { cwd: repoRoot, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' });
    let printed = false;
    let complained = false;
    child.stdout.on('data', (chunk) => {
      printed = true;
      process.stdout.write(chunk);
    });
    child.stderr.on('data', (chunk) => {
      complained = true;
      process.stderr.write(chunk);
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ status: code ?? signal, printed, complained }));
  });
}

/** One command, one check: it passes when it exits with 0 and, with `mustPrint`, has printed something, and nothing on stderr. */
export async function check(title, args, { mustPrint = false, ...options } = {}) {
  const { status, printed, complained } = await runNode(args, options);
  const passed = status === 0 && (!mustPrint || (printed && !complained));
  const why = status !== 0 ? `ended with ${status}` : printed ? 'printed on stderr' : 'printed nothing';
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0, unexcused: 0, notes: passed ? [] : [`${title} ${why}`] };
}

/** Runs one vitest project on a given Node and counts its tests from the JSON report. */
export async function runVitest(project, { node = process.execPath, title = project, env = process.env } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-test-'));
  const reportPath = join(folder, 'report.json');
  const vitest = join(repoRoot, 'node_modules', 'vitest', 'vitest.mjs');
  try {
    const args = [vitest, 'run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`];
    const { status } = await runNode(args, { node, env });
    return readReport(reportPath, { title, status });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns {LaneResult} */
function readReport(path, { title, status }) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0, unexcused: 0, notes: [`${title}: vitest ended with ${status} and left no report`] };
  }
  const result = { passed: 0, failed: 0, skipped: 0, unexcused: 0, notes: [] };
  const skippedIn = new Map();
  for (const file of report.testResults) {
    const name = relative(repoRoot, file.name);
    const fileReadsShared = readsShared.test(readFileSync(file.name, 'utf8'));
    // A file that cannot even be loaded has no tests to fail.
    if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')) {
      result.failed += 1;
      result.notes.push(`failed ${name}: ${String(file.message).split('\n')[0]}`);
    }
    for (const test of file.assertionResults) {
      if (test.status === 'passed') result.passed += 1;
      else if (test.status === 'failed') {
        result.failed += 1;
        result.notes.push(`failed ${name}: ${test.fullName}`);
      } else {
        result.skipped += 1;
        if (fileReadsShared) result.unexcused += 1;
        const group = `${name}: ${test.ancestorTitles[0] ?? test.title}`;
        skippedIn.set(group, (skippedIn.get(group) ?? 0) + 1);
      }
    }
  }
  for (const [group, count] of skippedIn) result.notes.push(`skipped ${count} in ${group}`);
  if (status !== 0 && result.failed === 0) {
    result.failed += 1;
    result.notes.push(`${title}: vitest ended with ${status} though no test failed (an unhandled error?)`);
  }
  return result;
}
