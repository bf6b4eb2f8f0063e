import { afterEach, expect, it, vi } from 'vitest';
import type { Model } from '../../engine/api.ts';
import { tuningOf } from './ingot-device.ts';
import { factsOf } from './ingot-facts.ts';

afterEach(() => void vi.unstubAllEnvs());

it.each([['', 'stored'], ['background', 'stored'], ['stored', 'stored'], ['off', 'off']])(
  'where INGOT_TUNING is "%s" a benchmark of a GPU has what is %s, and looks for nothing between its rounds',
  (environment, use) => {
    vi.stubEnv('INGOT_TUNING', environment);
    expect([tuningOf({ device: 'gpu' }), tuningOf({ device: 'cpu' })]).toEqual([use, undefined]);
  },
);

it('a row says whether what tuning found was used, where anything is tuned', () => {
  const flags = (isTuned?: boolean) => factsOf({ info: { contextLength: 8, kvType: 'f16', isTuned } } as Model).flags;
  const rest = { contextLength: 8, kv: 'f16' };
  expect([flags(true), flags(false), flags()]).toEqual([{ ...rest, tuned: true }, { ...rest, tuned: false }, rest]);
});
