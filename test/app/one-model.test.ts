/** Room for one model: who waits for whom, and that nothing is left of what lost its place. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isGone } from '../../app/transport/is-gone.ts';
import { createOneModel } from '../../app/transport/one-model.ts';
import { queueFull } from '../../src/engine/admission.ts';
import { CapacityError, InputError } from '../../src/tensor/errors.ts';

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

it('tells the end of a worker or a device from a request that has no room', () => {
  for (const error of [queueFull(2), new CapacityError('a picture'), new InputError('What it held is gone')])
    expect(isGone(error)).toBe(false);
  expect(isGone(new CapacityError('The device was lost. What it held is gone: load the model again.'))).toBe(true);
  // The words are those of the engine.
  for (const path of ['browser/engine-host.ts', 'gpu/device/gpu-device.ts'])
    expect(readFileSync(new URL(`../../src/${path}`, import.meta.url), 'utf8')).toContain('What it held is gone: load the model again.');
});
