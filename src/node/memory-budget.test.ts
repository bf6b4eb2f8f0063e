import { describe, expect, it } from 'vitest';
import type { AdapterFacts } from '../gpu/device/adapter-facts.ts';
import { defaultMemoryBudget } from './memory-budget.ts';

const adapter = (vendor: string, isSoftware = false) => ({ vendor, isSoftware }) as AdapterFacts;

describe('defaultMemoryBudget', () => {
  it.each([
    [64e9, 44.8e9, "70% of the machine's memory"],
    [24e9, 16e9, "the machine's memory but 8 GB"],
    [8e9, 4e9, "half of the machine's memory"],
  ])('of %d bytes is %d', (machine, bytes, reason) => {
    for (const device of [undefined, adapter('apple'), adapter('google', true)])
      expect(defaultMemoryBudget(device, machine)).toEqual({ bytes, reason });
  });

  it('is open for a GPU with memory of its own', () => {
    expect(defaultMemoryBudget(adapter('nvidia'), 64e9)).toEqual({ bytes: undefined, reason: expect.stringContaining('refuses') });
  });
});
