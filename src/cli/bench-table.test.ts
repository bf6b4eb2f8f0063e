import { describe, expect, it } from 'vitest';
import { circumstances, measurement } from '../../test/bench-results.ts';
import { benchTableLines } from './bench-table.ts';

const llama = { name: 'llama.cpp', version: '3.21.1', device: 'vulkan (Fast 9000)' };
const runs = (median: number) => ({ median, min: median - 1, max: median + 1 });

describe('benchTableLines', () => {
  it('sets engines side by side, the better of a rival\'s settings, ratios either way round, and shares', () => {
    const ttft = { workload: 'ttft', measure: 'TTFT 16', unit: 'ms', limit: null } as const;
    const lines = benchTableLines(
      [
        measurement({}),
        measurement({ engine: llama, ...runs(400) }),
        measurement({ ...ttft, ...runs(4) }),
        measurement({ ...ttft, engine: llama, ...runs(30), flags: { batchSize: 512 } }),
        measurement({ ...ttft, engine: llama, ...runs(12), flags: { batchSize: 2048 } }),
        measurement({ measure: 'for the record', isShown: false }),
        measurement({
          measure: 'prefill 512',
          workload: 'prefill',
          limit: { work: 'multiply-adds per token', perToken: 1, perSecond: 2.5e12, limitPerSecond: null, share: null },
        }),
      ],
      circumstances,
      ['something was left out'],
    );
    expect(lines).toEqual([
      'model.gguf, 336 MB, sha256 ffffffffffff',
      'Some CPU, 8 cores, Linux 6 x64, Node 20.0.0, commit abc1234',
      'gpu (Fast 9000), Fast 9000, driver 1.2.3; copies 1.00 TB/s (read and write counted)',
      'ingot 0.1.0 on gpu (Fast 9000)',
      'llama.cpp 3.21.1 on vulkan (Fast 9000)',
      'median (least to most) of 3 runs after 1 warm-up, 3 s between runs, engines in turn',
      '',
      '                      unit               ingot               llama.cpp  ratio    of the limit',
      'decode 128 after 128  tok/s  1,000 (900-1,100)           400 (399-401)  2.50x  50% (500 GB/s)',
      'TTFT 16               ms      4.00 (3.00-5.00)  12.0 (11.0-13.0) b2048  3.00x',
      'prefill 512           tok/s  1,000 (900-1,100)                       -      -    2,500 GMAC/s',
      'note: something was left out',
    ]);
  });

  it('says which rival a ratio is against where there are several', () => {
    const lines = benchTableLines(
      [measurement({}), measurement({ engine: llama }), measurement({ engine: { ...llama, name: 'llama-bench' } })],
      { ...circumstances, isQuick: true },
      [],
    );
    expect(lines.find((line) => line.includes('unit'))).toMatch(/against llama\.cpp +against llama-bench/);
    expect(lines.join('\n')).toContain('QUICK');
  });
});
