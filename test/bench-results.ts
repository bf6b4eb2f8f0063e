/** A benchmark figure and its circumstances, for tests of what is made of them. */
import type { Circumstances, Measurement } from '../src/bench/measurement.ts';

export const circumstances: Circumstances = {
  session: '2026-11-30T12:00:00.000Z', commit: 'abc1234',
  machine: { cpu: 'Some CPU', cores: 8, memoryGiB: 32, os: 'Linux 6 x64', host: '01234567', node: '20.0.0', power: 'mains' },
  device: {
    kind: 'gpu', description: 'gpu (Fast 9000)', copyBytesPerSecond: 1e12,
    adapter: { vendor: 'nvidia', architecture: 'hopper', device: 'Fast 9000', description: 'driver 1.2.3' },
  },
  model: { file: 'model.gguf', sizeBytes: 336e6, sha256: 'f'.repeat(64) },
  warmups: 1, pauseSeconds: 3, isQuick: false,
};

export function measurement(changes: Partial<Measurement>): Measurement {
  return {
    workload: 'decode', measure: 'decode 128 after 128', unit: 'tok/s', isShown: true,
    engine: { name: 'ingot', version: '0.1.0', device: 'gpu (Fast 9000)' }, flags: { kv: 'f16' },
    runs: [900, 1000, 1100], median: 1000, min: 900, max: 1100,
    asked: '0123456789abcdef', part: '1/1', isWhole: true,
    limit: { work: 'bytes per token', perToken: 5e8, perSecond: 5e11, limitPerSecond: 1e12, share: 0.5 },
    ...changes,
  };
}
