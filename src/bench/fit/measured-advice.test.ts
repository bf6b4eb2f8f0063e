import { describe, expect, it } from 'vitest';
import { resultRow } from '../../../test/result-row.ts';
import type { ResultRow } from '../read-results.ts';
import { baseName } from '../judged.ts';
import { adviseByResults } from './measured-advice.ts';

type Changes = Partial<ResultRow>;
const device = (kind: 'cpu' | 'gpu', description: string): Changes => ({
  device: { kind, description, copyBytesPerSecond: 1e11, adapter: null }, machine: { cpu: 'a processor', memoryGiB: 24 },
});
const cpu = device('cpu', 'cpu (8 threads)');
const row = (measure: string, value: number, changes: Changes = {}) =>
  resultRow(measure, Array.from({ length: 5 }, () => value), { ...cpu, ...changes });
/** What is said of the first model, one line each. */
const said = (rows: readonly ResultRow[], usage = {}) =>
  adviseByResults(rows, usage)[0]!.advice.map(({ advice, because }) => `${advice} ${because}`);
const decode = (after: number, value: number, changes: Changes = {}) => row(`decode 128 after ${after}`, value, changes);

/** What a perplexity is of. */
const TEXT = { text: 'abc', scoredTokens: 2047, windowTokens: 2048 };

describe('advice by results', () => {
  it('names the device on which the same file is faster', () => {
    const gpu = device('gpu', 'gpu (a card)');
    expect(said([decode(128, 30), decode(128, 300, gpu)])[0]).toBe(
      'Run it on gpu (a card). decode 128 after 128: 300 tokens/s there, 30.0 tokens/s here',
    );
    expect(said([decode(128, 300, gpu), decode(128, 30)])[0]).toMatch(/^This is its device\. .* of the next best, cpu \(8 threads\)$/);
    expect(said([decode(128, 30), decode(128, 31, gpu)]).join()).not.toContain('device');
    // Of each device's ways of keeping keys and values the best counts, whichever was measured first.
    const [f16, q8] = ['f16', 'q8'].map((kv): Changes => ({ flags: { kv } })) as [Changes, Changes];
    const there = [decode(128, 20, { ...gpu, ...f16 }), decode(128, 300, { ...gpu, ...q8 })];
    for (const rows of [there, there.toReversed()])
      expect(said([decode(128, 30, f16), ...rows])[0]).toContain('300 tokens/s there, 30.0 tokens/s here');
    const busy = [15, 28].map((value, i) => row('decode 128 after 128, 4 cores busy', value, [f16, q8][i]!));
    expect(said([decode(128, 30, f16), ...busy]).join()).not.toContain('cores of its own');
  });

  it('names a rival where it is faster, by what and how much, and not where it is slower', () => {
    const rival = (measure: string, value: number, unit: ResultRow['unit'] = 'tok/s') =>
      row(measure, value, { engine: { name: 'llama-bench', version: '1', device: 'CPU' }, unit });
    const own = [decode(128, 50), row('prefill 512', 900), row('TTFT 16', 20)];
    const rows = [...own, rival('decode 128 after 128', 40), rival('prefill 512', 1800)];
    expect(said([...rows, rival('TTFT 16', 10, 'ms')])[0]).toBe(
      "Look at llama.cpp's own programs (llama-bench) for reading prompts. prefill 512 2.00 times as fast (1800 and 900 tok/s); " +
        'TTFT 16 2.00 times as fast (10.0 and 20.0 ms). It is slower at decode 128 after 128 (40.0 and 50.0 tok/s)',
    );
    expect(said(rows.slice(0, 4)).join()).not.toContain('llama-bench');
    // Of a rival's settings the best counts, of each its latest row, and nothing of another machine does.
    expect(said([...rows, rival('prefill 512', 1000)])[0]).toMatch(/^Look at .* prefill 512 1\.11 times as fast/);
    const small = { ...rival('prefill 512', 1500), flags: { batchSize: 128 } };
    expect(said([...rows, small])[0]).toMatch(/prompts\. prefill 512 2\.00 times as fast \(1800 and 900 tok\/s\)/);
    const threads = [1, 2].map((count) => ({ ...rival('prefill 512', 1000 * count), flags: { threads: count } }));
    expect(said([...own, ...threads])[0]).toMatch(/prefill 512 2\.22 times as fast \(2000 and 900 tok\/s, 2 threads\)$/);
    // Nor do differences within noise, parts of a measure, and memory.
    const wobbly = { ...rival('prefill 512', 1000), runs: [800, 850, 1000, 1100, 1200] };
    const parts = ['first request', 'TTFT of turn 2'].flatMap((measure) => [row(measure, 9), rival(measure, 1, 'ms')]);
    const memory = [row('peak memory after it', 9), rival('peak memory after it', 1, 'MB')];
    expect(said([...own, wobbly, ...parts, ...memory]).join()).not.toContain('Look');
    // Three runs of each cannot tell two engines apart, nor does a session that was stopped turn the advice of a whole one round.
    const few = rows.map((one) => ({ ...one, runs: one.runs.slice(0, 3) }));
    expect(said(few).join()).not.toContain('Look');
    const unknown = (some: readonly ResultRow[]) => adviseByResults(some, {})[0]!.unmeasured.join();
    expect(unknown(few))
      .toContain('which engine is faster (llama-bench: chance alone may order 3 runs a side like that, 4 can tell: --runs 4)');
    const four = rows.map((one) => ({ ...one, runs: one.runs.slice(0, 4) }));
    expect(said(four)[0]).toMatch(/^Look at/);
    for (const enough of [four, rows, own]) expect(unknown(enough)).not.toContain('which engine');
    const ended = { isWhole: false, session: '2026-11-30T13:00:00.000Z' };
    const stopped = [row('prefill 512', 900), rival('prefill 512', 90)].map((one) => ({ ...one, ...ended }));
    expect(said([...rows, ...stopped])[0]).toContain('prefill 512 2.00 times as fast');
    const elsewhere = { ...rival('prefill 512', 9000), ...device('gpu', 'gpu (another)') };
    expect(said([...own, elsewhere]).join()).not.toContain('llama-bench');
    // Nor of another run: another commit, day or machine.
    for (const other of [{ commit: 'def' }, { time: '2026-11-29T12:00:00.000Z' }, { machine: { cpu: 'another' } }])
      expect(said([...own, { ...rival('prefill 512', 9000), ...other }]).join()).not.toContain('llama-bench');
  });

  it('keeps days and commits apart, and says which they are', () => {
    const next = { time: '2026-12-01T08:00:00.000Z' };
    const rows = [decode(128, 50), decode(4224, 1000 / 30), decode(128, 5, { commit: 'def' }), decode(4224, 9, next)];
    const found = adviseByResults(rows, {}).map(({ occasion, advice }) => [occasion, advice.map((one) => one.advice)[0]?.slice(0, 16)]);
    expect(found).toEqual([
      ['commit abc, 2026-11-30', 'Keep conversatio'], ['commit def, 2026-11-30', 'Take a smaller m'],
      ['commit abc, 2026-12-01', 'Take a smaller m'],
    ]);
    // How good a file is, is no speed of the day on which it was judged.
    const quality = ['tasks answered well', 'same choice as the reference'].map((name) => row(name, 90, { unit: '%', ...next }));
    expect(adviseByResults([...rows.slice(0, 3), ...quality], {}).map(({ occasion }) => occasion)).toEqual(['commit abc', 'commit def']);
    const gpu = { ...device('gpu', 'gpu (a card)'), ...next };
    expect(said([decode(128, 30), decode(128, 300, gpu)])[0]).toContain('300 tokens/s there (2026-12-01), 30.0 tokens/s here (2026-11-30)');
  });

  it('takes the smallest file that answers as the best', () => {
    const file = (type: string, sizeBytes: number, perplexity: number, nats?: number) => {
      const model = { model: { file: `qwen3-0.6b-${type}.gguf`, sizeBytes, sha256: type } };
      const rows = [row('perplexity', perplexity, { ...model, unit: 'perplexity', flags: TEXT }), decode(128, 1e10 / sizeBytes, model)];
      const flags = { ...TEXT, reference: 'f32.gguf' };
      return nats === undefined ? rows : [...rows, row('divergence from the reference', nats, { ...model, unit: 'nats', flags })];
    };
    const rows = [...file('q8_0', 6e8, 20.1, 0.001), ...file('q4_k_m', 4e8, 20.6, 0.03), ...file('q2_k', 2.5e8, 27, 0.4)];
    expect(said(rows)[0]).toMatch(
      /^Take qwen3-0\.6b-q4_k_m\.gguf in its place\. .*q8_0\.gguf 600 MB, perplexity 20\.10, 0\.0010 nats away, 16\.7 tokens\/s; .*q2_k/,
    );
    expect(said([...file('q4_0', 4e8, 20.2), ...file('f16', 12e8, 20)])[0]).toMatch(/^This is the quantisation to take\./);
    expect(said(file('q4_0', 4e8, 20)).join()).not.toContain('quantisation');
    // Perplexities of another text, of fewer tokens or of other windows say nothing of each other, nor do those that do not say.
    const [small, large] = [file('q4_0', 4e8, 20.2), file('f16', 12e8, 20)];
    const others = [{ ...TEXT, text: 'def' }, { ...TEXT, scoredTokens: 99 }, { ...TEXT, windowTokens: 512 }, {}];
    for (const flags of others)
      expect(said([...small.map((one) => ({ ...one, flags })), ...large]).join()).not.toContain('quantisation');
    expect(said([...small, ...large].map((one) => ({ ...one, flags: {} }))).join()).not.toContain('quantisation');
    const names = ['a-Q4_K_M.gguf', 'a.IQ4_XS.gguf', 'a-BF16.gguf', 'a_mxfp4.gguf', 'a-4b.gguf'];
    expect(names.map(baseName)).toEqual(['a', 'a', 'a', 'a', 'a-4b']);
  });

  it('says where conversations become too long to read along, by the slope of two figures', () => {
    // 20 ms a token behind 128 and 30 ms behind 4,224: 100 ms, at which people read, are 32,896 away.
    const [advice] = said([decode(128, 50), decode(4224, 1000 / 30)]);
    expect(advice).toContain('Keep conversations below about 32768 tokens (--context 32768).');
    expect(said([decode(128, 10.2), decode(4096, 4)])[0]).toMatch(/below about 1\d\d tokens \(--context 1\d\d\)/);
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
    expect(said([decode(128, 50, large)]).at(-1)).toMatch(/^One or two conversations.*12\.0 GB of 25\.8 GB/);
    expect(said([decode(128, 4, large)]).at(-1)).toMatch(/smaller model.*4\.0 tokens a second/);
  });

  it('says nothing that no figure is behind, but what would say it', () => {
    const [found] = adviseByResults([row('prefill 512', 900)], {});
    expect(found!.advice).toEqual([]);
    expect(found!.unmeasured).toEqual([
      'how fast it answers (decode)', 'how long conversations may be (decode at two lengths)', 'how many answers at a time (concurrency)',
      'how good it is (quality)', 'what other programs cost it (busy)', 'whether heat slows it (drift)',
    ]);
    const [more] = adviseByResults([decode(128, 50), row('decode 128 after 128, 4 cores busy', 40, { workload: 'busy' })], {});
    const measures = more!.unmeasured.map((text) => /\((.*)\)/.exec(text)![1]);
    expect(measures).toEqual(['prefill', 'decode at two lengths', 'concurrency', 'quality', 'drift']);
  });

  it('says of a small file that it is enough, what bounds it, what to keep and what costs nothing', () => {
    const limit = { work: 'bytes per token', perToken: 12e6, perSecond: 9.6e9, limitPerSecond: 1.2e11, share: 0.08 } as const;
    const ms = { unit: 'ms' } as const;
    const small = { model: { file: 'm.gguf', sizeBytes: 12e6, sha256: 'f00' } };
    const rows = [
      decode(128, 800, { limit }), row('TTFT 16', 8, ms), row('TTFT 512', 66, ms), row('load and first request', 350, ms),
      row('TTFT of all 15 turns', 300, ms), row('TTFT of all 15 turns, prefix not reused', 2100, ms),
      row('decode in a JSON schema', 750), row('decode free, as many tokens', 800),
    ].map((one) => ({ ...one, ...small }));
    expect(said(rows)).toEqual([
      'This machine is enough for one person: stay local. decode 128 after 128: 800 tokens/s, and people read 10; ' +
        'the first token behind 512 tokens comes within 66.0 ms; it takes 12.0 MB of 25.8 GB',
      'Keep conversations open, and let each turn begin with all turns before it. ' +
        'TTFT of all 15 turns: 300 ms with what was said kept, 2.10 s where it is read again',
      'It may be loaded when it is wanted: nothing has to stay running. ' +
        'from the start of the process to its first token it takes 350 ms',
      'Answers may be held to a schema at no cost worth saving. 750 tokens/s in a JSON schema, 800 tokens/s free',
      'Memory does not bound it: fewer bytes a weight gain little, several answers at a time gain more. ' +
        'it reads 12.0 MB a token, 9.60 GB/s: 8% of the 120 GB/s that copying reaches here',
    ]);
    // Of prefill alone no first token is known.
    expect(said([decode(128, 800), row('prefill 512', 1024)]).join()).toContain('; reading 512 tokens takes 500 ms');
    const slow = [decode(128, 12, { limit: { ...limit, share: 0.8 } }), row('TTFT 512', 9000, ms), row('load and first request', 9000, ms)];
    const lines = said([...slow, row('decode in a JSON schema', 5), row('decode free, as many tokens', 12)]).join('\n');
    const parts = [
      'below about 280 tokens', '9.00 s', '2000 would take 35.2 s', 'Load it once', 'not where people do', 'Memory bounds it: fewer',
    ];
    for (const part of parts) expect(lines).toContain(part);
  });
});
