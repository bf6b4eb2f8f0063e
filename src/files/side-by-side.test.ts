import { expect, it } from 'vitest';
import { sideBySide } from './side-by-side.ts';

const untilStopped = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    const stopped = (): void => reject(signal.reason as Error);
    if (signal.aborted) stopped();
    else signal.addEventListener('abort', stopped);
  });

it('the first failure stops the others, each by a signal of its own', async () => {
  const signals: AbortSignal[] = [];
  const working = sideBySide(12, undefined, async (signal) => {
    if (signals.push(signal) === 12) throw new Error('broken');
    await untilStopped(signal);
  });
  await expect(working).rejects.toThrow('broken');
  expect(new Set(signals).size).toBe(12);
  expect(signals.map(({ reason }) => (reason as Error).message)).toEqual(Array<string>(12).fill('broken'));
});

it.each(['before', 'meanwhile'])('a caller that aborts %s stops all', async (when) => {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new Error('enough'));
  if (when === 'before') abort();
  const signals: AbortSignal[] = [];
  const working = sideBySide(3, controller.signal, async (signal) => {
    signals.push(signal);
    await untilStopped(signal);
  });
  abort();
  await expect(working).rejects.toThrow('enough');
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, true]);
});
