/** Models that are gone when they are asked: as after a machine was suspended. */
import { expect, it, vi } from 'vitest';
import { answered } from '../../app/transport/answered.ts';
import { createOneModel } from '../../app/transport/one-model.ts';

interface Answering {
  readonly says: readonly (string | Error)[];
  dispose(): Promise<void>;
}

const MESSAGE = 'It is gone: load the model again.';
const wordsOf = (next: string) => `The browser, or the system, took the model away. ${next} it anew. (${MESSAGE})`;

const gone = Object.assign(new Error(MESSAGE), { lost: 'worker' });

/** What an answer gives, of models that are loaded one after the other. */
async function pieces(...models: readonly Answering['says'][]) {
  const place = createOneModel<Answering>();
  const left = [...models];
  const load = vi.fn((id: string) =>
    place.put({
      signal: new AbortController().signal,
      onWait: () => {},
      idOf: async () => id,
      open: async () => ({ says: left.shift()!, dispose: async () => {} }),
    }),
  );
  const id = await load('m');
  const said: string[] = [];
  const answer = async function* ({ says }: Answering) {
    for (const one of says) {
      if (one instanceof Error) throw one;
      yield one;
    }
  };
  try {
    for await (const piece of answered({ place, id, again: load }, answer)) said.push(piece);
  } catch (error) {
    said.push((error as Error).message);
  }
  return { said, loads: load.mock.calls.length, isHeld: place.held !== undefined };
}

it('loads a model again that was gone before it said a word', async () => {
  expect(await pieces([gone], ['a', 'b'])).toEqual({ said: ['a', 'b'], loads: 2, isHeld: true });
});

it('does so once', async () => {
  expect(await pieces([gone], [gone], ['a'])).toEqual({ said: [wordsOf('Asking again loads')], loads: 2, isHeld: false });
});

it('tells of one that goes in the middle of an answer, and frees its place', async () => {
  expect(await pieces(['a', gone], ['b'])).toEqual({ said: ['a', wordsOf('Going on, or asking again, loads')], loads: 1, isHeld: false });
});

it('leaves a model where it is that fails otherwise', async () => {
  expect(await pieces([new Error('too long')], ['b'])).toEqual({ said: ['too long'], loads: 1, isHeld: true });
});
