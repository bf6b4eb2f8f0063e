import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Pipelines } from '../device/pipeline-cache.ts';
import type { Kernel } from '../kernel.ts';
import { IdleCompiling } from './idle-compiling.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function rig(count: number) {
  const begun: string[] = [];
  const pipelines = { get: async ({ key }: Kernel) => void begun.push(key) } as unknown as Pipelines;
  const kernels = Array.from({ length: count }, (_, i) => ({ key: `${i}` }) as Kernel);
  return { begun, compiling: new IdleCompiling(pipelines, kernels) };
}

it('beside work kernels are begun one by one, when the first answer has had its time', async () => {
  const { begun, compiling } = rig(40);
  const work = async (milliseconds: number) => {
    for (let i = 0; i < milliseconds; i += 50) {
      compiling.rest();
      await vi.advanceTimersByTimeAsync(50);
    }
  };
  await work(950);
  expect(begun).toEqual([]);
  await work(1050);
  expect(begun.length).toBeGreaterThanOrEqual(4);
  expect(begun.length).toBeLessThanOrEqual(7);
  await work(12_000);
  expect(begun).toHaveLength(40);
});

it('all are compiled as soon as nobody works, and none after the end', async () => {
  const { begun, compiling } = rig(20);
  compiling.rest();
  await vi.advanceTimersByTimeAsync(150);
  expect(begun).toEqual([]);
  await vi.advanceTimersByTimeAsync(100);
  expect(begun).toHaveLength(20);
  const other = rig(3);
  other.compiling.rest();
  await other.compiling.close();
  await vi.advanceTimersByTimeAsync(2000);
  expect(other.begun).toEqual([]);
});

it('who asks for all of them gets them beside work, and is not kept waiting by the end', async () => {
  const { begun, compiling } = rig(20);
  compiling.rest();
  const all = compiling.finish();
  compiling.rest();
  await all;
  expect(begun).toHaveLength(20);
  const other = rig(20);
  const left = other.compiling.finish();
  await other.compiling.close();
  await left;
  expect(other.begun.length).toBeLessThan(20);
});

it('what is added comes after the others, also where those are all there, and not after the end', async () => {
  const { begun, compiling } = rig(2);
  compiling.add([{ key: 'late' } as Kernel]);
  await vi.advanceTimersByTimeAsync(300);
  expect(begun).toEqual(['0', '1', 'late']);
  compiling.add([{ key: 'later' } as Kernel]);
  await compiling.finish();
  await compiling.close();
  compiling.add([{ key: 'too late' } as Kernel]);
  await vi.advanceTimersByTimeAsync(2000);
  expect(begun).toEqual(['0', '1', 'late', 'later']);
});
