import { describe, expect, it } from 'vitest';
import { resultRow } from '../../../test/result-row.ts';
import type { ResultRow } from '../read-results.ts';
import { reportData } from './report-data.ts';
import { reportPage } from './report-page.ts';

const row = (measure: string, runs: readonly number[], changes: Partial<ResultRow> = {}) =>
  resultRow(measure, runs, { engine: { name: 'ingot', version: '0.1.0', device: 'gpu (a GPU)' }, ...changes });
const llama = (device: string, batchSize?: number): Partial<ResultRow> => ({
  engine: { name: 'llama-bench', version: '1', device },
  flags: batchSize === undefined ? {} : { batchSize },
});
const chartsOf = (rows: readonly ResultRow[]) => reportData(rows, []).charts;

describe('what a report shows', () => {
  it('quotes the better batch size of a rival, and the later of two figures', () => {
    const rows = [
      row('prefill 512', [100], llama('CUDA', 512)),
      row('prefill 512', [120], llama('CUDA', 2048)),
      row('prefill 512', [500]),
      row('prefill 512', [400]),
      row('TTFT 16', [9], llama('CUDA', 512)),
      row('TTFT 16', [7], llama('CUDA', 2048)),
    ];
    const charts = chartsOf(rows);
    expect(charts.map(({ id }) => id)).toEqual(['prefill-512', 'TTFT-16']);
    expect(charts[0]!.points.map(({ engine, y }) => [engine, y])).toEqual([
      ['llama-bench', 120],
      ['ingot', 400],
    ]);
    expect(charts[1]!.points.map(({ y }) => y)).toEqual([7]);
    // A figure whose runs were stopped stands for none that has them all, of its own setting or of another.
    const stopped = [row('prefill 512', [900], { isWhole: false }), row('prefill 512', [990], { ...llama('CUDA', 64), isWhole: false })];
    for (const all of [[...rows, ...stopped], [...stopped, ...rows]])
      expect(new Set(chartsOf(all)[0]!.points.map(({ y }) => y))).toEqual(new Set([120, 400]));
    expect(chartsOf(stopped)[0]!.points.map(({ y }) => y)).toEqual([900, 990]);
  });

  it('names the backend where an engine has two, and the device where there are two', () => {
    const measure = 'decode 128 after 128';
    const [cuda, vulkan] = [row(measure, [1], llama('CUDA (H200)')), row(measure, [2], llama('Vulkan (H200)'))];
    expect(chartsOf([cuda, vulkan])[0]!.points.map(({ engine }) => engine)).toEqual(['llama-bench (CUDA)', 'llama-bench (Vulkan)']);
    const other = { ...cuda, machine: { cpu: 'another' } };
    const found = chartsOf([cuda, other])[0]!.points;
    expect(found.map(({ engine, occasion }) => [engine, occasion])).toEqual([['llama-bench', 'a processor'], ['llama-bench', 'another']]);
  });

  it('keeps figures of other days and commits apart, and says which setting of those tried is quoted', () => {
    const measure = 'decode 128 after 128';
    const rows = [
      row(measure, [5]), row(measure, [6], { session: '2026-12-01T08:00:00.000Z' }), row(measure, [7], { commit: 'def' }),
      row(measure, [3], { ...llama('CPU'), flags: { threads: 1 } }), row(measure, [2], { ...llama('CPU'), flags: { threads: 2 } }),
    ];
    const { charts, figures } = reportData(rows, []);
    expect(charts[0]!.points.map(({ engine, y, occasion, setting }) => [engine, y, occasion, setting])).toEqual([
      ['ingot', 5, 'commit abc, 2026-11-30', ''], ['ingot', 6, 'commit abc, 2026-12-01', ''], ['ingot', 7, 'commit def, 2026-11-30', ''],
      ['llama-bench', 3, 'commit abc, 2026-11-30', '1 thread'],
    ]);
    expect(figures[3]).toMatchObject({ day: '2026-11-30', commit: 'abc', setting: '1 thread', median: 3 });
  });

  it('draws of one day the figures of one session, says what it leaves, and keeps judgements by two texts', () => {
    const measure = 'decode 128 after 128';
    const [early, late] = ['08', '09'].map((hour) => ({ session: `2026-12-01T${hour}:00:00.000Z` })) as [object, object];
    const rows = [row(measure, [5], early), row(measure, [4], { ...early, ...llama('CPU') }), row(measure, [9], late)];
    const { charts, notes } = reportData(rows, ['a note']);
    expect(charts[0]!.points.map(({ engine, y }) => [engine, y])).toEqual([['ingot', 5], ['llama-bench', 4]]);
    expect(notes).toEqual(['a note', '1 row of another session of the same day: figures compare within one session']);
    const judged = ['abc', 'def'].map((text) => row('perplexity', [20], { flags: { text, scoredTokens: 1, windowTokens: 2 } }));
    expect(reportData(judged, []).figures).toHaveLength(2);
    expect(reportData([judged[0]!, judged[0]!], []).figures).toHaveLength(1);
  });

  it('keeps figures of other types of keys and values apart', () => {
    const [f16, q8] = ['f16', 'q8'].map((kv, i) => row('decode 128 after 128', [i + 1], { flags: { kv } })) as [ResultRow, ResultRow];
    const names = ['ingot (keys and values in f16)', 'ingot (keys and values in q8)'];
    expect(chartsOf([f16, q8])[0]!.points.map(({ engine }) => engine)).toEqual(names);
  });

  it('draws lines where a measure has several places, in their order', () => {
    const rows = [
      row('decode 128 after 4096', [5]),
      row('decode 128 after 128', [9]),
      ...[2, 1, 3].map((turn) => row(`TTFT of turn ${turn}`, [turn])),
    ];
    const charts = chartsOf(rows);
    expect(charts.map(({ id }) => id)).toEqual(['decode-128-after-128', 'decode-128-after-4096', 'decode-context', 'turns']);
    expect(charts.at(-1)!.points.map(({ x }) => x)).toEqual([1, 2, 3]);
  });

  it('sets quality beside size where several files were judged, and minutes in their order', () => {
    const file = (type: string, sizeBytes: number) => ({ model: { file: `m-${type}.gguf`, sizeBytes, sha256: type } });
    const flags = { text: 'abc', scoredTokens: 2047, windowTokens: 2048 };
    const judge = (type: string, sizeBytes: number, value: number, more: Partial<ResultRow> = {}) =>
      row('perplexity', [value], { ...file(type, sizeBytes), flags, ...more });
    const judged = [judge('q8_0', 6e8, 19, { commit: 'older' }), judge('q8_0', 6e8, 20), judge('q4_0', 3e8, 21)];
    const [places] = chartsOf(judged);
    expect([places!.id, places!.kind]).toEqual(['size-perplexity', 'places']);
    expect(places!.points.map(({ x, y }) => [x, y])).toEqual([[300, 21], [600, 20]]);
    expect(chartsOf(judged.slice(2))).toEqual([]);
    // Nothing by another text, by fewer tokens, or of another model, stands beside them.
    const otherModel = { model: { file: 'other-q4_0.gguf', sizeBytes: 1, sha256: 'other' } };
    const changes = [{ flags: { ...flags, text: 'def' } }, { flags: { ...flags, scoredTokens: 99 } }, otherModel];
    const others = changes.map((more) => judge('q2_k', 2e8, 30, more));
    expect(chartsOf([...judged, ...others]).map(({ points }) => points.length)).toEqual([2]);
    const minutes = [120, 60].map((end) => row(`drift at ${end} s, decode`, [end]));
    expect(chartsOf(minutes).map(({ id, points }) => [id, points.map(({ x }) => x)])).toEqual([['drift-decode', [60, 120]]]);
    const bars = ['load', 'decode 128 after 128, 4 cores busy', 'hearing', 'answers as the schema says'].map((name) => row(name, [5]));
    expect(chartsOf(bars).map(({ title }) => title)).toEqual(['Decode 128 after 128, 4 cores busy', 'Hearing', 'Load']);
  });

  it('marks what drifted, and shows its runs', () => {
    const data = reportData([row('decode 128 after 128', [100, 101, 98, 95, 90, 88, 85, 84, 83])], []);
    expect(data.figures[0]!.drift).toBeCloseTo(84 / 100 - 1, 12);
    expect(data.charts.at(-1)).toMatchObject({ id: 'drift', points: { length: 9 } });
  });

  it('sets speeds beside what memory allows, by products of a byte', () => {
    const device = { kind: 'gpu', description: 'gpu', copyBytesPerSecond: 1e12, adapter: null } as const;
    const limit = (work: 'bytes per token' | 'multiply-adds per token', perToken: number) => ({
      work,
      perToken,
      perSecond: 1,
      limitPerSecond: null,
      share: null,
    });
    const { roofline } = reportData(
      [
        row('prefill 100', [50], { device, limit: limit('multiply-adds per token', 4e9) }),
        row('decode 128 after 128', [10], { device, limit: limit('bytes per token', 2e9) }),
      ],
      [],
    );
    expect(roofline!.points.map(({ perByte, perSecond }) => [perByte, perSecond])).toEqual([
      [400, 200e9],
      [2, 40e9],
    ]);
    expect(roofline!.roofs).toEqual([{ device: 'gpu', bytesPerSecond: 1e12, multiplyAddsPerSecond: undefined }]);
  });

  it('stays data in the page, whatever a file says', () => {
    const model = { file: '</script><script>alert(1)</script>', sizeBytes: 1, sha256: null };
    const page = reportPage(reportData([row('decode 128 after 128', [1], { model })], []), { title: '<b>', subtitle: '"&' });
    expect(page).not.toContain('<script>alert(1)');
    expect(page).toContain('&lt;b>');
    expect(page.match(/<script/g)!.length).toBe(page.match(/<\/script>/g)!.length);
    expect(page).not.toMatch(/(src|href)="?https?:/);
  });
});
