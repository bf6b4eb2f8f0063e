/** Room for one model: who waits for whom, and that nothing is left of what lost its place. */
import { describe, expect, it } from 'vitest';
import { createOneModel } from '../../app/transport/one-model.ts';

const steps = () => new Promise((resolve) => setTimeout(resolve, 5));

function rig() {
  const events: string[] = [];
  const place = createOneModel<{ name: string; dispose(): Promise<void> }>();
  const put = (name: string, { signal = new AbortController().signal, idOf = async () => name } = {}) =>
    place.put({
      signal,
      idOf,
      onWait: () => events.push(`${name} waits`),
      async open() {
        events.push(`${name} begins`);
        await steps();
        events.push(`${name} is there`);
        return { name, dispose: async () => void events.push(`${name} is gone`) };
      },
    });
  return { events, place, put };
}

describe('createOneModel', () => {
  it('loads one after the other, and frees the one before', async () => {
    const { events, place, put } = rig();
    expect(await Promise.all([put('a'), put('b')])).toEqual(['a', 'b']);
    expect(events).toEqual(['a begins', 'a is there', 'a is gone', 'b begins', 'b is there']);
    expect(place.held?.id).toBe('b');
  });

  it('lets an answer end before its model gives way', async () => {
    const { events, place, put } = rig();
    await put('a');
    const answer = place.use('a', async function* ({ name }) {
      yield name;
      yield 'end';
    });
    expect((await answer.next()).value).toBe('a');
    const next = put('b');
    await steps();
    expect(events.at(-1)).toBe('b waits');
    expect((await answer.next()).value).toBe('end');
    await answer.next();
    await next;
    expect(events.slice(-3)).toEqual(['a is gone', 'b begins', 'b is there']);
    await expect(place.use('a', async function* () {}).next()).rejects.toThrow('not loaded');
  });

  it('leaves off waiting at an abort, and frees what it cannot name', async () => {
    const { events, place, put } = rig();
    await put('a');
    const answer = place.use('a', async function* () {
      yield 1;
    });
    await answer.next();
    const controller = new AbortController();
    const next = put('b', { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
    await answer.return(undefined);
    await expect(put('c', { idOf: () => Promise.reject(new Error('no name')) })).rejects.toThrow('no name');
    expect(events).not.toContain('b begins');
    expect(events.at(-1)).toBe('c is gone');
    expect(place.held).toBe(undefined);
  });
});
