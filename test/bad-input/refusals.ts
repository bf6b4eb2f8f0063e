/** Bad input in a child process: each case must fail with a sentence, soon, in little memory, and harm nothing after it. */
import { fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

export const goldenPath = fileURLToPath(new URL('../fixtures/golden/qwen3', import.meta.url));
export const devices = ['cpu', 'reference'] as const;
export type Device = (typeof devices)[number];

const childPath = fileURLToPath(new URL('./child.mjs', import.meta.url));
/** Bounds, not benchmarks, of processor time: how long that takes is the machine's. */
const MOST_CASE_MS = 10_000;
/** Without a word for so long, a child is taken to be stuck. */
const STUCK_MS = 90_000;
const MOST_GROWTH_BYTES = 200e6;
const MOST_MESSAGE_UNITS = 2000;

export type ErrorName = 'FormatError' | 'CapacityError' | 'InputError';

export interface BadCase {
  readonly name: string;
  /** One of the actions of child.mjs. */
  readonly action:
    'load' | 'tokenizer' | 'encode' | 'decode' | 'generate' | 'forward' | 'chat' | 'truncateOpen' | 'truncateLoading' | 'convert';
  readonly args: Readonly<Record<string, unknown>>;
  readonly error: ErrorName;
  readonly message: RegExp;
  /** What the message must say besides: the file, mostly. */
  readonly names?: string | undefined;
}

interface CaseReport {
  readonly name: string;
  readonly result?: string;
  readonly error?: { readonly name: string; readonly message: string; readonly stack?: string };
  readonly cpuMs: number;
  readonly peakGrowthBytes: number;
}

interface LastReport {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly filesBefore: number;
  readonly filesAfter: number;
}

interface ChildReport {
  readonly cases: ReadonlyMap<string, CaseReport>;
  readonly last: LastReport | undefined;
  readonly code: number | null;
  readonly signal: string | null;
  readonly stderr: string;
  /** The case during which the child was ended. */
  readonly stuckIn: string | undefined;
}

interface ChildMessage {
  readonly begins?: string;
  readonly ends?: CaseReport;
  readonly done?: LastReport;
}

/** Runs cases in one child and waits for its end, which is brought about where a case takes far too long. */
export function runInChild(cases: readonly BadCase[], device: Device): Promise<ChildReport> {
  return new Promise((resolve, reject) => {
    // Arguments of this process (vitest's loaders) are not the child's.
    const child = fork(childPath, { serialization: 'advanced', execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    const reports = new Map<string, CaseReport>();
    let [stderr, running, stuckIn]: [string, string, string | undefined] = ['', 'its start', undefined];
    let last: LastReport | undefined;
    let timer = setTimeout(() => {}, 0);
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        stuckIn = running;
        child.kill('SIGKILL');
      }, STUCK_MS);
    };
    watch();
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.on('message', ({ begins, ends, done }: ChildMessage) => {
      watch();
      running = begins ?? 'its end';
      if (ends) reports.set(ends.name, ends);
      last = done ?? last;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ cases: reports, last, code, signal, stderr, stuckIn });
    });
    child.send({ device, cases: cases.map(({ name, action, args }) => ({ name, action, args })) });
  });
}

function checkRefusal({ error, message, names }: BadCase, report: CaseReport | undefined): void {
  expect(report, 'the child ended before this case').toBeDefined();
  const found = report!.error;
  expect(found, `it went through, with ${report!.result}`).toBeDefined();
  expect(found!.name, found!.stack).toBe(error);
  expect(found!.message).toMatch(message);
  if (names !== undefined) expect(found!.message).toContain(names);
  expect(found!.message).not.toMatch(/\n|\[object|reading '|NaN MB/);
  expect(found!.message.length).toBeLessThan(MOST_MESSAGE_UNITS);
  expect(report!.cpuMs).toBeLessThan(MOST_CASE_MS);
  expect(report!.peakGrowthBytes).toBeLessThan(MOST_GROWTH_BYTES);
}

/** One child for all cases, one test for each of them, and one for what comes after. */
export function describeRefusals(title: string, device: Device, makeCases: () => readonly BadCase[]): void {
  const cases = makeCases();
  describe(`${title} (${device})`, () => {
    let report: ChildReport;
    beforeAll(async () => {
      report = await runInChild(cases, device);
    });
    it.each(cases.map((each) => [each.name, each] as const))('%s', (name, each) => checkRefusal(each, report.cases.get(name)));

    it('leaves the process sound: no crash, no open file, and a good model gives its tokens', () => {
      const { last, code, signal, stderr, stuckIn } = report;
      expect({ stuckIn, code, signal, stderr }).toEqual({ stuckIn: undefined, code: 0, signal: null, stderr: '' });
      expect(last!.before).toHaveLength(3);
      expect(last!.after).toEqual(last!.before);
      expect(last!.filesAfter).toBeLessThanOrEqual(last!.filesBefore);
    });
  });
}

/** A folder that is gone after the tests of a file. `write` makes a file in it and returns its path. */
export function temporaryFolder(): { readonly path: string; write(name: string, bytes: Uint8Array | string): string } {
  const path = mkdtempSync(join(tmpdir(), 'ingot-bad-input-'));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    write(name, bytes) {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, bytes);
      return file;
    },
  };
}
