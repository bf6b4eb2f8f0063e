/** Which tab writes an answer. */
import { expect, it, vi } from 'vitest';
import { whileWriting } from '../../app/state/answer-lock.ts';

const LOCK = 'ingot answer a';

/** Locks of a browser, as far as they are asked for here: given where nobody has them. */
const held = new Set<string>();
vi.stubGlobal('navigator', {
  locks: {
    async request(name: string, _: object, work: (lock: object | null) => Promise<unknown>) {
      if (held.has(name)) return work(null);
      held.add(name);
      try {
        return await work({ name });
      } finally {
        held.delete(name);
      }
    },
  },
});

it('goes on with an answer that this tab has shown as ended, once that is kept', async () => {
  let keep!: () => void;
  const kept = new Promise<void>((resolve) => (keep = resolve));
  const wrote: string[] = [];
  const first = whileWriting('a', async () => {
    await kept;
    wrote.push('first');
  });
  const second = whileWriting('a', async () => void wrote.push('second'));
  await vi.waitFor(() => expect(held).toEqual(new Set([LOCK])));
  keep();
  expect(await Promise.all([first, second])).toEqual([true, true]);
  expect(wrote).toEqual(['first', 'second']);
  expect(held.size).toBe(0);
});

it('goes on where its first writing failed', async () => {
  await expect(whileWriting('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await whileWriting('a', async () => {})).toBe(true);
});

it('leaves an answer alone that another tab writes', async () => {
  held.add(LOCK);
  const write = vi.fn(async () => {});
  expect(await whileWriting('a', write)).toBe(false);
  expect(write).not.toHaveBeenCalled();
  held.delete(LOCK);
});
