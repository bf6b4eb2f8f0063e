import { expect, it, vi } from 'vitest';
import type { ServerSocket } from '../api.ts';
import { createOutbox } from './outbox.ts';

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it('a reader that takes nothing is given up, but not for time in which this process stood still', async () => {
  const onStall = vi.fn();
  const socket = { send: () => new Promise<void>(() => {}) } as unknown as ServerSocket;
  const outbox = createOutbox({ socket, stallMs: 30, onStall });
  // A turn of the loop, so that its time is now.
  await later(1);
  outbox.send({ type: 'error' });
  const [from, turn] = [performance.now(), later(60)];
  while (performance.now() - from < 120);
  // The outbox was to look 30 ms before this one: it has.
  await turn;
  expect(onStall).not.toHaveBeenCalled();
  await vi.waitFor(() => expect(onStall).toHaveBeenCalledOnce());
  outbox.end();
});
