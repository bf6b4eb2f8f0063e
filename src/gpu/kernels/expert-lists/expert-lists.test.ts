import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listsOf, randomRoutes } from '../../../../test/gpu/check-expert-product.ts';
import { stepOf } from '../../../../test/gpu/step-of.ts';
import { openTestDevice } from '../../../../test/gpu-harness.ts';
import type { TestDevice } from '../../../../test/gpu-harness.ts';
import { randomSource } from '../../../tensor/codec/random-weights.ts';
import { expertListsKernel, expertListsWorkgroups, expertListWidth, mostExpertTiles } from './expert-lists.ts';

describe('expert-lists', () => {
  let test: TestDevice;
  beforeAll(async () => {
    test = await openTestDevice();
  });
  afterAll(() => test.close());

  it.each([[8, 2, 1, 4], [128, 8, 70, 32], [5, 3, 300, 8], [1, 1, 9, 4], [300, 10, 8, 8]] as const)(
    '%i experts, %i of them, %i rows, tiles of %i',
    async (count, used, rows, tileRows) => {
      const variant = { count, used, tileRows, invocations: 64 };
      const routes = randomRoutes(variant, rows, randomSource(count));
      const out = await test.run({
        kernel: expertListsKernel(variant), workgroups: expertListsWorkgroups(),
        buffers: { routes, lists: new Uint32Array((rows + 1) * expertListWidth(variant)).fill(99), step: stepOf(rows) },
      });
      const got = out.get('lists') as Uint32Array;
      const want = listsOf(variant, routes, tileRows);
      const pairs = rows * used;
      expect(got.subarray(pairs, 4 * pairs)).toEqual(want.subarray(pairs));
      expect(got.subarray(4 * pairs).every((word) => word === 99)).toBe(true);
      // Tiles hold the same pairs, an expert's in any order.
      const pairsOf = (lists: Uint32Array) => {
        const ofExpert = new Map<number, number[]>();
        for (let at = pairs; at < 4 * pairs; at += 3) {
          const [expert, first, length] = lists.subarray(at, at + 3) as unknown as [number, number, number];
          ofExpert.set(expert, [...(ofExpert.get(expert) ?? []), ...lists.subarray(first, first + length)]);
        }
        return [...ofExpert].map(([expert, own]) => [expert, own.toSorted((a, b) => a - b)]);
      };
      expect(pairsOf(got)).toEqual(pairsOf(want));
      const tiles = Array.from({ length: pairs }, (_, t) => want[pairs + 3 * t + 2]).filter((length) => length !== 0).length;
      expect(tiles).toBeLessThanOrEqual(mostExpertTiles(variant, rows, tileRows));
    },
  );
});
