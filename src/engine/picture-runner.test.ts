import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
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
const towerOf = (patches: number) => ({ inputsOf: () => ({ dims: { patches }, inputs: {} }) }) as unknown as VisionTower;
const tower = towerOf(100);
const placed = (key: string): PlacedPicture =>
  ({ picture: { patches: new Float32Array(), rows: 10, columns: 10, key }, start: 0, end: 25, shift: 0, shiftBehind: 0 });

/** A device that takes so long for a step, or for each of them. */
function runnerOn(msOfStep: number | readonly number[], patches = 100) {
  let now = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const parts: [from: number, to: number][] = [];
  const run = async ([{ part }]: readonly GraphRun[]) => {
    const { from, to } = part!;
    parts.push([from, to]);
    for (let n = from; n < to; n++) now += typeof msOfStep === 'number' ? msOfStep : (msOfStep[n] as number);
    return [];
  };
  return { runner: createPictureRunner({ tower: towerOf(patches), graph, run }), parts };
}
afterEach(() => vi.restoreAllMocks());

const sizes = (parts: readonly (readonly [number, number])[]) => parts.map(([from, to]) => to - from);

it('takes parts of about 50 ms beside answers, and of half a second alone', async () => {
  const { runner, parts } = runnerOn(10);
  let looks = 1;
  while (!(await runner.look(placed('a'), { isBeside: true }))) looks++;
  // A small one that tells nothing, one of twice as much, then what 50 ms are in whole products; the look behind the last does nothing.
  expect(sizes(parts)).toEqual([2, ...Array<number>(24).fill(4), 2]);
  expect(looks).toBe(parts.length + 1);
  parts.length = 0;
  while (!(await runner.look(placed('b'), { isBeside: false })));
  // Each may have twice what the one before might.
  expect(sizes(parts)).toEqual([10, 20, 40, 30]);
  parts.length = 0;
  while (!(await runner.look(placed('c'), { isBeside: false })));
  expect(sizes(parts)).toEqual([50, 50]);
});

it('learns nothing of light steps, however they lie', async () => {
  // The first product brings the picture; the addition behind it, by itself a part, is done at once.
  const msOfStep = Array.from({ length: 100 }, (_, n) => (n === 0 ? 118 : n % 2 === 0 ? 18 : 0.1));
  const { runner, parts } = runnerOn(msOfStep, 300);
  while (!(await runner.look(placed('a'), { isBeside: true })));
  const times = parts.map(([from, to]) => msOfStep.slice(from, to).reduce((sum, ms) => sum + ms, 0));
  expect(Math.max(...times.slice(1))).toBeLessThan(50);
  // Nor are parts small for long.
  expect(parts.length).toBeLessThan(30);
});

it('keeps nothing of a picture whose tower is done', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held: WeakRef<object>[] = [];
  const inputsOf: VisionTower['inputsOf'] = () => {
    const patches = new Float32Array(100);
    held.push(new WeakRef(patches));
    return { dims: { patches: 100 }, inputs: { patches } };
  };
  const runner = createPictureRunner({ tower: { ...tower, inputsOf }, graph, run: async () => [] });
  while (!(await runner.look(placed('a'), { isBeside: false })));
  // The test's own limit ends it, however busy the machine is.
  while (held[0]!.deref() !== undefined) {
    await new Promise((resolve) => setTimeout(resolve));
    collect();
  }
  expect(await runner.look(placed('a'), { isBeside: false })).toBe(true);
  expect(held).toHaveLength(1);
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
