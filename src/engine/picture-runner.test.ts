import { afterEach, expect, it, vi } from 'vitest';
import { buildGraph } from '../graph/graph-builder.ts';
import { add } from '../graph/ops/add.ts';
import { linear } from '../graph/ops/linear.ts';
import type { GraphRun } from '../graph/executor.ts';
import type { VisionTower } from '../models/vision.ts';
import { createPictureRunner } from './picture-runner.ts';
import type { PlacedPicture } from './pictures.ts';

/** 50 products of [100, 1000] with [1000, 1000], each behind an addition: 5 x 10^9 multiply-adds in 100 steps. */
const graph = buildGraph('vision', (g) => {
  let x = g.input('patches', 'f32', ['patches', 1000]);
  for (let n = 0; n < 50; n++) {
    x = linear(g, `product.${n}`, x, g.weight(`w.${n}`, [1000, 1000]));
    x = add(g, `sum.${n}`, x, x);
  }
  g.output('embeddings', x);
});
const tower = { inputsOf: () => ({ dims: { patches: 100 }, inputs: {} }) } as unknown as VisionTower;
const placed = (key: string): PlacedPicture =>
  ({ picture: { patches: new Float32Array(), rows: 10, columns: 10, key }, start: 0, end: 25, shift: 0, shiftBehind: 0 });

/** A device that takes so long for each step. */
function runnerOn(msOfStep: number) {
  let now = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const parts: [from: number, to: number][] = [];
  const run = async ([{ part }]: readonly GraphRun[]) => {
    const { from, to } = part!;
    parts.push([from, to]);
    now += msOfStep * (to - from);
    return [];
  };
  return { runner: createPictureRunner({ tower, graph, run }), parts, runs: { run } };
}
afterEach(() => vi.restoreAllMocks());

const sizes = (parts: readonly (readonly [number, number])[]) => parts.map(([from, to]) => to - from);

it('takes parts of about 50 ms beside answers, and of half a second alone', async () => {
  const { runner, parts } = runnerOn(10);
  let looks = 1;
  while (!(await runner.look(placed('a'), { isBeside: true }))) looks++;
  // Two small ones, of which the first tells nothing, then what 50 ms are; the look behind the last has nothing to do.
  expect(sizes(parts)).toEqual([2, 2, ...Array<number>(19).fill(5), 1]);
  expect(looks).toBe(parts.length + 1);
  parts.length = 0;
  expect(await runner.look(placed('b'), { isBeside: false })).toBe(false);
  expect(await runner.look(placed('b'), { isBeside: false })).toBe(true);
  expect(sizes(parts)).toEqual([50, 50]);
});

it('does a step at least, and no picture twice that others stand at too', async () => {
  const { runner, parts } = runnerOn(200);
  for (let i = 0; i < 5; i++) await runner.look(placed('a'), { isBeside: true });
  expect(sizes(parts)).toEqual([2, 2, 1, 1, 1]);
  while (!(await runner.look(placed('a'), { isBeside: false })));
  const { length } = parts;
  expect(await runner.look(placed('a'), { isBeside: true })).toBe(true);
  expect(parts).toHaveLength(length);
  expect(parts.at(-1)![1]).toBe(100);
});

it('begins a picture anew that failed, or that another came between', async () => {
  const { parts } = runnerOn(10);
  const failing = { isOn: false };
  const runner = createPictureRunner({
    tower, graph,
    async run([{ part }]) {
      parts.push([part!.from, part!.to]);
      if (failing.isOn) throw new Error('lost');
      return [];
    },
  });
  await runner.look(placed('a'), { isBeside: true });
  failing.isOn = true;
  await expect(runner.look(placed('a'), { isBeside: true })).rejects.toThrow('lost');
  failing.isOn = false;
  await runner.look(placed('a'), { isBeside: true });
  await runner.look(placed('b'), { isBeside: true });
  await runner.look(placed('a'), { isBeside: true });
  expect(parts.map(([from]) => from)).toEqual([0, parts[0]![1], 0, 0, 0]);
});
