/** Models as the app has them, without a page. */
import { beforeEach, expect, it, vi } from 'vitest';
import { chosenModel } from '../../app/state/settings.ts';
import { ensureLoaded, refreshModels, useTransport } from '../../app/state/models.ts';
import type { ModelStatus, Transport } from '../../app/transport/transport.ts';

const load = vi.fn((id: string) => Promise.resolve(`${id}:Q8_0`));
const { signal } = new AbortController();

async function listed(kind: Transport['kind'], status: ModelStatus): Promise<void> {
  const unknown = { bytes: undefined, fits: undefined, contextLength: undefined, takes: undefined, where: undefined };
  const models = [{ ...unknown, id: 'm', name: 'm', kind: 'text' as const, status }];
  useTransport({ kind, load, listModels: () => Promise.resolve({ models, noDownloads: undefined }) } as unknown as Transport);
  await refreshModels();
}

beforeEach(() => {
  load.mockClear();
  chosenModel.value = undefined;
});

it.each([
  ['server', 'absent', true],
  ['server', 'unloaded', false],
  ['browser', 'unloaded', true],
  ['browser', 'loaded', false],
] as const)('on a %s, a model that is %s is made ready before it is asked: %s', async (kind, status, isMade) => {
  await listed(kind, status);
  expect(await ensureLoaded('m', signal)).toBe(isMade ? 'm:Q8_0' : 'm');
  expect(load).toHaveBeenCalledTimes(Number(isMade));
});
