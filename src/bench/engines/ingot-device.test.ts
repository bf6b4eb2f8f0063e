import { afterEach, expect, it, vi } from 'vitest';
import { tuningOf } from './ingot-device.ts';

afterEach(() => void vi.unstubAllEnvs());

it.each([['', 'stored'], ['background', 'stored'], ['stored', 'stored'], ['off', 'off']])(
  'where INGOT_TUNING is "%s" a benchmark of a GPU has what is %s, and looks for nothing between its rounds',
  (environment, use) => {
    vi.stubEnv('INGOT_TUNING', environment);
    expect([tuningOf({ device: 'gpu' }), tuningOf({ device: 'cpu' })]).toEqual([use, undefined]);
  },
);
