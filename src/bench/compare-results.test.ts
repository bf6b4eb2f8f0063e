import { gzipSync } from 'node:zlib';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { resultRow } from '../../test/result-row.ts';
import { compareResults } from './compare-results.ts';
import { readResults } from './read-results.ts';
import type { ResultRow } from './read-results.ts';

const row = (runs: readonly number[], changes: Partial<ResultRow> = {}) => resultRow('decode 128 after 128', runs, changes);
const verdicts = (base: readonly number[], next: readonly number[], changes: Partial<ResultRow> = {}) =>
  compareResults([row(base, changes)], [row(next, changes)]).comparisons.map(({ verdict }) => verdict);

describe('comparing results', () => {
  it.each([
    ['slower', [100, 101, 99, 100, 102], [90, 91, 89, 92, 90]],
    ['faster', [100, 101, 99, 100, 102], [110, 111, 109, 112, 110]],
    ['no difference shown', [100, 101, 99, 100, 102], [101, 100, 98, 103, 100]],
    // Sure, and too small to matter.
    ['no difference shown', [100, 100.1, 100.2, 100.3, 100.4], [101, 101.1, 101.2, 101.3, 101.4]],
    ['too few runs', [100, 101, 99], [50, 51, 49]],
  ])('%s', (verdict, base, next) => {
    expect(verdicts(base, next)).toEqual([verdict]);
  });

  it('takes fewer milliseconds for faster', () => {
    const { speedup, interval } = compareResults(
      [row([200, 201, 199, 200, 202], { unit: 'ms' })],
      [row([100, 101, 99, 100, 102], { unit: 'ms' })],
    ).comparisons[0]!;
    expect(speedup).toBe(2);
    expect(interval.low).toBeLessThan(2);
    expect(interval.high).toBeGreaterThan(2);
    expect(verdicts([100, 101, 99, 100, 102], [200, 201, 199, 200, 202], { unit: 'ms' })).toEqual(['slower']);
  });

  it('calls noise noise: of 200 comparisons of one distribution about one in 20 is told', () => {
    let state = 7;
    const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647;
    const runs = () => Array.from({ length: 5 }, () => 100 + 20 * uniform());
    const told = Array.from({ length: 200 }, () => verdicts(runs(), runs())[0]).filter((one) => one !== 'no difference shown');
    expect(told.length).toBeLessThanOrEqual(16);
  });

  it('never takes other settings or another machine for a change', () => {
    const q8 = row([50, 51, 49, 50, 52], { flags: { kv: 'q8' } });
    const f16 = row([100, 101, 99, 100, 102], { flags: { kv: 'f16' } });
    const elsewhere = row([100, 101, 99, 100, 102], { machine: { cpu: 'another' } });
    expect(compareResults([q8], [f16]).comparisons).toEqual([]);
    expect(compareResults([row([50, 51, 49, 50, 52])], [elsewhere]).comparisons).toEqual([]);
    const judged = (text: string) =>
      resultRow('perplexity', [20], { unit: 'perplexity', flags: { text, scoredTokens: 2047, windowTokens: 2048 } });
    const { comparisons, onlyBase, onlyNext } = compareResults([judged('abc')], [judged('def')]);
    expect(comparisons).toEqual([]);
    expect([...onlyBase, ...onlyNext].map((name) => name.slice(name.indexOf(':')))).toEqual([
      ': perplexity (abc, 2047, 2048)', ': perplexity (def, 2047, 2048)',
    ]);
    expect(compareResults([judged('abc')], [judged('abc')]).comparisons).toHaveLength(1);
  });

  it('takes rows of a figure together, keeps engines, backends and models apart, and names what only one side has', () => {
    const cuda = { engine: { name: 'llama-bench', version: '1', device: 'CUDA (H200)' } };
    const result = compareResults([row([1]), row([2]), row([3], cuda)], [row([1, 2]), row([4], { measure: 'prefill 512' })]);
    expect(result.comparisons).toHaveLength(1);
    expect(result.comparisons[0]!.base).toBe(1.5);
    expect(result.onlyBase).toEqual(['m.gguf, llama-bench on CUDA (H200), a processor: decode 128 after 128']);
    expect(result.onlyNext).toEqual(['m.gguf, ingot on cpu, a processor: prefill 512']);
  });
});

describe('comparing results of several occasions', () => {
  const of = (day: string, runs: readonly number[], changes: Partial<ResultRow> = {}) =>
    row(runs, { session: `2026-12-${day}T08:00:00.000Z`, machine: { cpu: 'a processor', host: 'aaaaaaaa' }, ...changes });

  it('takes together what is of one day and commit, else the last, and says so', () => {
    const { comparisons, notes } = compareResults([of('01', [5]), of('02', [7]), of('02', [9])], [of('02', [8])]);
    expect(comparisons.map(({ base, next }) => [base, next])).toEqual([[8, 8]]);
    expect(notes).toEqual([
      'of 1 figure the base has rows of an earlier day, commit or machine too, which are left out: ' +
        'm.gguf, ingot on cpu, a processor: decode 128 after 128',
    ]);
  });

  it('says where two days or machines are compared', () => {
    const elsewhere = { machine: { cpu: 'a processor', host: 'bbbbbbbb' } };
    const { notes } = compareResults([of('01', [5])], [of('02', [7], elsewhere)]);
    expect(notes).toEqual([
      '1 figure of two days (2026-12-01 and 2026-12-02): clocks and temperatures differ between them',
      '1 figure of two machines of one kind: differences may be theirs',
    ]);
  });
});

describe('reading results', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-results-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const line = JSON.stringify(row([1, 2, 3]));

  it('reads lines, gzipped too, and leaves those of other programs out with a note', () => {
    const { rows, notes } = readResults([
      file('a.jsonl', `${line}\n\n{"bench":"gpu-gemm"}\n`),
      file('b.jsonl.gz', gzipSync(`${line}\n`)),
    ]);
    expect(rows.map(({ median }) => median)).toEqual([2, 2]);
    expect(notes).toEqual([expect.stringContaining('1 lines are of other benchmarks')]);
  });

  it('sets rows in the order of their times, whatever the order of files and lines', () => {
    const at = (hour: string, value: number) => `${JSON.stringify(row([value], { time: `2026-12-01T${hour}:00:00.000Z` }))}\n`;
    const { rows } = readResults([file('late.jsonl', at('12', 3) + at('10', 2)), file('early.jsonl', at('08', 1) + at('12', 4))]);
    expect(rows.map(({ median }) => median)).toEqual([1, 2, 3, 4]);
  });

  it.each([
    ['no JSON', 'decode: 12 tok/s', /line 1: expected a line of JSON, found "decode: 12/],
    ['no result', '{"a": 1}', /line 1: no "time"/],
    ['no runs', JSON.stringify({ ...row([1]), runs: [] }), /"runs" and "median" are no numbers/],
    ['a run that is no number', JSON.stringify({ ...row([1]), runs: ['1'] }), /"runs" and "median" are no numbers/],
    ['nothing', '\n', /No results in .*ingot bench MODEL --json/],
    ['null', 'null', /line 1: expected an object/],
  ])('refuses %s', (name, content, message) => {
    expect(() => readResults([file(`${name}.jsonl`, content)])).toThrow(message);
  });

  it('tells of a file that is not there', () => {
    expect(() => readResults([join(folder, 'nowhere.jsonl')])).toThrow(/nowhere\.jsonl cannot be read: ENOENT/);
  });
});
