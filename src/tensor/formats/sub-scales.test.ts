import { expect, test } from 'vitest';
import { SUB_SCALES, subScalesOf } from './sub-scales.ts';
import type { SubScalePacking } from './sub-scales.ts';

const GROUPS = { bytes: 16, nibbles: 16, k4: 8, k3: 16, xs: 8 } as const satisfies Record<SubScalePacking, number>;

test.each(Object.keys(SUB_SCALES) as SubScalePacking[])('%s gives back what was put, whatever lay there', (name) => {
  const packing = subScalesOf(name);
  const range = packing.most - packing.least + 1;
  const bytes = new Uint8Array(20).fill(0xa5);
  const scales = Array.from({ length: GROUPS[name] }, (_, group) => packing.least + ((group * 37 + 11) % range));
  scales.forEach((value, group) => packing.putScale(bytes, 2, group, value));
  const minimums = scales.map((_, group) => (group * 29 + 5) % (packing.most + 1));
  if (packing.putMinimum) minimums.forEach((value, group) => packing.putMinimum!(bytes, 2, group, value));
  expect(scales.map((_, group) => packing.scale(bytes, 2, group))).toEqual(scales);
  if (packing.minimum) expect(minimums.map((_, group) => packing.minimum!(bytes, 2, group))).toEqual(minimums);
});
