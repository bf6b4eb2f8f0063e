import { describe, expect, it } from 'vitest';
import { resultRow } from '../../../test/result-row.ts';
import type { ResultRow } from '../read-results.ts';
import { adviseByResults, baseName } from './measured-advice.ts';

type Changes = Partial<ResultRow>;
const device = (kind: 'cpu' | 'gpu', description: string): Changes => ({
  device: { kind, description, copyBytesPerSecond: 1e11, adapter: null }, machine: { cpu: 'a processor', memoryGiB: 24 },
});
const cpu = device('cpu', 'cpu (8 threads)');
const row = (measure: string, value: number, changes: Changes = {}) => resultRow(measure, [value], { ...cpu, ...changes });
/** What is said of the first model, one line each. */
const said = (rows: readonly ResultRow[], usage = {}) =>
  adviseByResults(rows, usage)[0]!.advice.map(({ advice, because }) => `${advice} ${because}`);
const decode = (after: number, value: number, changes: Changes = {}) => row(`decode 128 after ${after}`, value, changes);

describe('advice by results', () => {
  it('names the device on which the same file is faster', () => {
    const gpu = device('gpu', 'gpu (a card)');
    expect(said([decode(128, 30), decode(128, 300, gpu)])[0]).toBe(
      'Run it on gpu (a card). decode 128 after 128: 300 tokens/s there, 30.0 tokens/s here',
    );
    expect(said([decode(128, 300, gpu), decode(128, 30)])[0]).toMatch(/^This is its device\. .* of the next best, cpu \(8 threads\)$/);
    expect(said([decode(128, 30), decode(128, 31, gpu)]).join()).not.toContain('device');
  });

  it('names a rival where it is faster, by what and how much, and not where it is slower', () => {
    const rival = (measure: string, value: number, unit: ResultRow['unit'] = 'tok/s') =>
      row(measure, value, { engine: { name: 'llama-bench', version: '1', device: 'CPU' }, unit });
    const own = [decode(128, 50), row('prefill 512', 900), row('TTFT 16', 20)];
    const rows = [...own, rival('decode 128 after 128', 40), rival('prefill 512', 1800)];
    expect(said([...rows, rival('TTFT 16', 10, 'ms')])[0]).toBe(
      'Look at llama-bench for this work. prefill 512 2.00 times as fast (1800 and 900 tok/s); ' +
        'TTFT 16 2.00 times as fast (10.0 and 20.0 ms)',
    );
    expect(said(rows.slice(0, 4)).join()).not.toContain('llama-bench');
    // Of a rival's settings the best counts, and nothing of another machine does.
    expect(said([...rows, rival('prefill 512', 1500)])[0]).toMatch(/work\. prefill 512 2\.00 times as fast \(1800 and 900 tok\/s\)$/);
    const elsewhere = { ...rival('prefill 512', 9000), ...device('gpu', 'gpu (another)') };
    expect(said([...own, elsewhere]).join()).not.toContain('llama-bench');
  });

  it('takes the smallest file that answers as the best', () => {
    const file = (type: string, sizeBytes: number, perplexity: number, nats?: number) => {
      const model = { model: { file: `qwen3-0.6b-${type}.gguf`, sizeBytes, sha256: type } };
      const rows = [row('perplexity', perplexity, { ...model, unit: 'perplexity' }), decode(128, 1e10 / sizeBytes, model)];
      return nats === undefined ? rows : [...rows, row('divergence from the reference', nats, { ...model, unit: 'nats' })];
    };
    const rows = [...file('q8_0', 6e8, 20.1, 0.001), ...file('q4_k_m', 4e8, 20.6, 0.03), ...file('q2_k', 2.5e8, 27, 0.4)];
    expect(said(rows)[0]).toMatch(
      /^Take qwen3-0\.6b-q4_k_m\.gguf in its place\. .*q8_0\.gguf 600 MB, perplexity 20\.10, 0\.0010 nats away, 16\.7 tokens\/s; .*q2_k/,
    );
    expect(said([...file('q4_0', 4e8, 20.2), ...file('f16', 12e8, 20)])[0]).toMatch(/^This is the quantisation to take\./);
    expect(said(file('q4_0', 4e8, 20)).join()).not.toContain('quantisation');
    const names = ['a-Q4_K_M.gguf', 'a.IQ4_XS.gguf', 'a-BF16.gguf', 'a_mxfp4.gguf', 'a-4b.gguf'];
    expect(names.map(baseName)).toEqual(['a', 'a', 'a', 'a', 'a-4b']);
  });

  it('says where conversations become too long to read along, by the slope of two figures', () => {
    // 20 ms a token behind 128 and 30 ms behind 4,224: 100 ms, at which people read, are 32,896 away.
    const [advice] = said([decode(128, 50), decode(4224, 1000 / 30)]);
    expect(advice).toContain('Keep conversations below about 32768 tokens (--context 32768).');
    expect(said([decode(128, 50), decode(4096, 49.9)])[0]).toContain('as long as there is room for');
  });

  it('keeps keys and values in what is faster', () => {
    const kv = (type: string) => ({ flags: { kv: type } });
    const rows = [decode(128, 50, kv('f16')), decode(4096, 30, kv('f16')), decode(4096, 40, kv('q8'))];
    expect(said(rows)[0]).toBe('Keep keys and values in q8 (--kv-type). decode 128 after 4096: q8 40.0 tokens/s, f16 30.0 tokens/s');
  });

  it('answers as many at a time as are read along', () => {
    const streams = [[1, 40, 100], [4, 100, 900], [16, 140, 4000]].flatMap(([count, rate, first]) => {
      const name = `${count} ${count === 1 ? 'stream' : 'streams'}`;
      return [row(`${name}, decode`, rate!), row(`${name}, first token p99`, first!, { unit: 'ms' })];
    });
    expect(said(streams)[0]).toBe(
      'Answer at most 4 at a time (--max-concurrent 4). 1: 40.0 tokens/s each, first token within 100 ms; ' +
        '4: 25.0 tokens/s each, first token within 900 ms; 16: 8.75 tokens/s each, first token within 4000 ms',
    );
    expect(said(streams.slice(0, 4))[0]).toMatch(/^Answer 4 or more/);
  });

  it('tells of other programs, heat and memory, and of who asks', () => {
    const drift = [50, 50, 48, 45, 40, 35].map((value, i) => row(`drift at ${60 * (i + 1)} s, decode`, value));
    const rows = [decode(128, 50), row('decode 128 after 128, 4 cores busy', 20), ...drift];
    const lines = said(rows, { people: 3, hours: 30 });
    expect(lines).toEqual([
      expect.stringMatching(/^Give it cores of its own .* 50\.0 tokens\/s alone, 20\.0 tokens\/s with 4 cores busy$/),
      expect.stringMatching(/^Long work belongs on .* fell from 50\.0 tokens\/s to 37\.5 tokens\/s within 360 s of work$/),
      expect.stringMatching(/machine of its own.*30 hours a week/),
      expect.stringMatching(/Share one endpoint/),
    ]);
    const large = { model: { file: 'm.gguf', sizeBytes: 12e9, sha256: 'f00' } };
    expect(said([decode(128, 50, large)])[0]).toMatch(/^One or two conversations.*12\.0 GB of 25\.8 GB/);
    expect(said([decode(128, 4, large)]).at(-1)).toMatch(/smaller model.*4\.0 tokens a second/);
  });

  it('says nothing that no figure is behind', () => expect(said([row('prefill 512', 900)])).toEqual([]));
});
