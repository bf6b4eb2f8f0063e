import { expect, it } from 'vitest';
import { planOfShape } from '../../bench/plan-of-shape.ts';
import { kernelsOfModel } from '../plan/model-plan.ts';
import { PROFILES } from '../profile/profiles.ts';

it('new keys are packed by the device where it is known to make infinity of what f16 does not hold, and else by their bits', () => {
  for (const [name, profile] of Object.entries(PROFILES)) {
    const kernels = kernelsOfModel(planOfShape({ model: 'qwen3-0.6b', type: 'q4_0', profile }));
    const packing = kernels.filter(({ wgsl }) => wgsl.includes('fn cacheHalves'));
    expect(packing.length, name).toBeGreaterThan(2);
    for (const { wgsl, label } of packing) expect(wgsl.includes('0x477ff000u'), `${name}: ${label}`).toBe(name !== 'nvidia');
  }
});
