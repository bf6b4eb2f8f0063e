import { describe, expect, it } from 'vitest';
import { resultRow } from '../../../test/result-row.ts';
import type { ResultRow } from '../read-results.ts';
import { markdownTables } from './markdown-tables.ts';

type Changes = Partial<ResultRow>;
const machine = { cpu: 'a processor', cores: 8, os: 'Linux 6 x64' };
const row = (measure: string, runs: readonly number[], changes: Changes = {}) =>
  resultRow(measure, runs, { machine, model: { file: 'small.gguf', sizeBytes: 1, sha256: 'f00' }, ...changes });
const rival = (name: string): Changes => ({ engine: { name, version: '2', device: 'cpu' } });
const linesOf = (rows: readonly ResultRow[], form: 'summary' | 'full') => markdownTables(rows, form).lines;
const other: Changes = { model: { file: 'large.gguf', sizeBytes: 9, sha256: 'ba5' } };

describe('results as Markdown', () => {
  const rows = [
    row('decode 128 after 128', [99, 100, 101]), row('decode 128 after 128', [49, 50, 51], rival('b')),
    row('decode 128 after 128', [80, 80, 80], rival('c')), row('decode 128 after 128', [10, 10, 10], other),
    row('prefill 512', [12_345, 12_345, 12_345], { workload: 'prefill' }),
    row('prefill 512', [20_000, 20_000, 20_000], { workload: 'prefill', flags: { batchSize: 512 }, ...rival('b') }),
    row('prefill 512', [25_000, 25_000, 25_000], { workload: 'prefill', flags: { batchSize: 2048 }, ...rival('b') }),
    row('TTFT 512', [40, 40, 40], { workload: 'ttft' }), row('TTFT 512', [80, 80, 80], { workload: 'ttft', ...rival('b') }),
  ];

  it('set Ingot beside the best rival of each figure, and say what makes them repeatable', () => {
    expect(linesOf(rows, 'summary')).toEqual([
      'a processor, 8 cores, Linux 6 x64; 2026-11-30; medians of 3 runs, engines in turn; ingot 0.1.0, b 2, c 2; commit abc.',
      '',
      '|  | Decode after 128 tokens, tok/s | Prefill of 512 tokens, tok/s | Time to the first token of a prompt of 512, ms |',
      '| --- | --- | --- | --- |',
      '| small | 100 / 80.0 c (1.25x) | 12,345 / 25,000 b b2048 (0.49x) | 40.0 / 80.0 b (2.00x) |',
      '| large | 10.0 / - | - | - |',
    ]);
  });

  it('or all engines, a table a measure, with the best of a rival\'s settings named', () => {
    const lines = linesOf(rows, 'full');
    expect(lines).toContain('| Decode after 128 tokens, tok/s | ingot | b | c | beside the best |');
    expect(lines).toContain('| small | 100 (99.0 to 101) | 50.0 (49.0 to 51.0) | 80.0 (80.0 to 80.0) | 1.25x |');
    expect(lines).toContain('| large | 10.0 (10.0 to 10.0) | - | - | - |');
    expect(lines).toContain('| small | 12,345 (12,345 to 12,345) | 25,000 (25,000 to 25,000) b2048 | 0.49x |');
  });

  it('tell runs of two commits apart, and take no rival of an older one where its own is there', () => {
    const later: Changes = { commit: 'def', ...other };
    const measure = 'decode 128 after 128';
    const both = [
      ...rows, row(measure, [90], { ...other, ...rival('b') }), row(measure, [20], later), row(measure, [10], { ...later, ...rival('b') }),
    ];
    const lines = linesOf(both, 'summary');
    const commits = lines.flatMap((line) => /; commit (\w+)\.$/.exec(line)?.[1] ?? []);
    expect(commits).toEqual(['abc', 'def']);
    expect(lines).toContain('| large | 20.0 / 10.0 (2.00x) |');
  });

  it('set no figure beside one of another session, and name what stands in none', () => {
    const measure = 'decode 128 after 128';
    const at = (session: string): Changes => ({ session: `2026-12-${session}:00.000Z` });
    const [first, second, next] = ['01T08:00', '01T09:00', '02T08:00'].map(at) as [Changes, Changes, Changes];
    const resumed = [
      row(measure, [50], first), row(measure, [25], { ...first, ...rival('b') }), row(measure, [60], second),
      row(measure, [7], { ...next, ...rival('b') }), row('first request', [3], { ...first, unit: 'ms' }),
    ];
    const { lines, untold } = markdownTables(resumed, 'summary');
    expect(lines.at(-1)).toBe('| small | 50.0 / 25.0 (2.00x) |');
    expect(lines[0]).toContain('2026-12-01; medians of 1 runs');
    expect(untold).toEqual([
      '2 rows in no table (measured again later, or beside rivals in another session)', `  small, ingot, 2026-12-01: ${measure}`,
      `  small, b, 2026-12-02: ${measure}`, '1 row in no table (of no kind that has a table)', '  small, ingot, 2026-12-01: first request',
    ]);
    // Of another day alone it has a table of its own, and no ratio.
    const apart = linesOf([row(measure, [50], first), row('TTFT 16', [5], next), row('TTFT 16', [9], { ...next, ...rival('b') })], 'full');
    expect(apart.filter((line) => line.startsWith('| small'))).toEqual([
      '| small | 50.0 (50.0 to 50.0) | - |', '| small | 5.00 (5.00 to 5.00) | 9.00 (9.00 to 9.00) | 1.80x |',
    ]);
    const days = apart.flatMap((line) => /^a processor.*; (2026-12-\d\d);/.exec(line)?.[1] ?? []);
    expect(days).toEqual(['2026-12-01', '2026-12-02']);
  });

  it('quote the better number of threads, and name it where several were tried', () => {
    const measure = 'decode 128 after 128';
    const onThreads = (threads: number, engine: string): Changes => ({ ...rival(engine), flags: { threads, batchSize: 512 } });
    const rivals = [row(measure, [20], onThreads(2, 'b')), row(measure, [40], onThreads(1, 'b')), row(measure, [30], onThreads(2, 'c'))];
    const tried = [row(measure, [50]), ...rivals];
    expect(linesOf(tried, 'full').find((line) => line.startsWith('| small'))).toBe(
      '| small | 50.0 (50.0 to 50.0) | 40.0 (40.0 to 40.0) t1 | 30.0 (30.0 to 30.0) | 1.25x |',
    );
    expect(linesOf(tried, 'summary').at(-1)).toBe('| small | 50.0 / 40.0 b t1 (1.25x) |');
  });

  it('have the best of several types of keys and values, name it, and say what is left; files of one name have rows of their own', () => {
    const measure = 'decode 128 after 128';
    const [f16, q8] = ['f16', 'q8'].map((kv): Changes => ({ flags: { kv } })) as [Changes, Changes];
    const { lines, untold } = markdownTables([row(measure, [40], f16), row(measure, [50], q8), row(measure, [25], rival('b'))], 'summary');
    expect(lines.at(-1)).toBe('| small | 50.0 keys and values in q8 / 25.0 (2.00x) |');
    expect(untold).toEqual([
      '1 row in no table (of another backend, or type of keys and values, than the best)', `  small, ingot, 2026-11-30: ${measure}`,
    ]);
    const again: Changes = { model: { file: 'small.gguf', sizeBytes: 2, sha256: 'beefbeefbeef' } };
    const files = [{}, again].flatMap((file, i) => [row(measure, [50 - i], file), row(measure, [25], { ...file, ...rival('b') })]);
    const twice = ['| small (f00) | 50.0 / 25.0 (2.00x) |', '| small (beefbeef) | 49.0 / 25.0 (1.96x) |'];
    expect(linesOf(files, 'summary').slice(-2)).toEqual(twice);
    expect(linesOf(files, 'full').filter((line) => line.startsWith('| small'))).toEqual([
      '| small (f00) | 50.0 (50.0 to 50.0) | 25.0 (25.0 to 25.0) | 2.00x |',
      '| small (beefbeef) | 49.0 (49.0 to 49.0) | 25.0 (25.0 to 25.0) | 1.96x |',
    ]);
  });

  it('say where one has fewer runs than what stands beside it', () => {
    const lines = linesOf([row('TTFT 16', [5, 5, 5]), row('TTFT 16', [9, 9], rival('b'))], 'full');
    expect(lines.find((line) => line.startsWith('| small'))).toContain('9.00 (9.00 to 9.00) of 2 |');
  });

  it('have a table for each device', () => {
    const elsewhere = { device: { kind: 'gpu', adapter: { device: 'a card', description: 'driver 1' } } } as unknown as Changes;
    const card = [row('decode 128 after 128', [900], elsewhere), row('decode 128 after 128', [90], { ...elsewhere, ...rival('b') })];
    const both = linesOf([...rows, ...card], 'summary');
    const places = both.filter((line) => /^a (processor|card)/.test(line));
    expect(places).toEqual([expect.stringContaining('8 cores'), expect.stringContaining('a card, driver 1')]);
  });
});
