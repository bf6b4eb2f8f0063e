/** What a page knows of models beside their files: a host's list, and what was loaded before. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { knownModels } from '../../app/transport/known-models.ts';
import { loadByKind } from '../../app/transport/load-by-kind.ts';
import { cacheIdOf, forget, forgetKind, kindLoaded, remember } from '../../app/transport/remembered-models.ts';
import { InputError } from '../../src/tensor/errors.ts';

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => kept.set(name, text),
  });
});
afterEach(() => vi.unstubAllGlobals());

it('knows a loaded model by its name in the cache and by the address that it was asked for by, until it goes', () => {
  const asked = 'https://host/ears.gguf#sha256=00';
  expect([cacheIdOf(asked), kindLoaded(asked)]).toEqual([asked, undefined]);
  remember('https://host/ears.gguf', { kind: 'speech', asked });
  expect([cacheIdOf(asked), kindLoaded('https://host/ears.gguf')]).toEqual(['https://host/ears.gguf', 'speech']);
  forget('https://host/ears.gguf');
  expect([cacheIdOf(asked), kindLoaded('https://host/ears.gguf')]).toEqual([asked, undefined]);
});

it('forgets the kind alone of a model that is refused as what it was, and loads it as what its files say', async () => {
  const [asked, id] = ['https://host/one.gguf#sha256=00', 'https://host/one.gguf'];
  remember(id, { kind: 'speech', asked });
  const tried: string[] = [];
  const load = (refuse: (kind: string) => Error | undefined) =>
    loadByKind({
      known: kindLoaded(cacheIdOf(asked)),
      forgetKind: () => forgetKind(cacheIdOf(asked)),
      async loadAs(kind) {
        tried.push(kind);
        const error = refuse(kind);
        if (error !== undefined) throw error;
        return id;
      },
    });
  // A server that cannot be asked says nothing of the kind.
  await expect(load(() => new InputError('no network'))).rejects.toThrow('no network');
  expect([kindLoaded(id), tried.splice(0)]).toEqual(['speech', ['speech']]);
  const doesNotHear = (kind: string) => (kind === 'speech' ? new InputError('it does not hear', { modelKind: 'other' }) : undefined);
  await expect(load((kind) => doesNotHear(kind) ?? new Error('too large'))).rejects.toThrow('too large');
  expect([kindLoaded(id), cacheIdOf(asked), tried.splice(0)]).toEqual([undefined, id, ['speech', 'text']]);
  expect([await load(doesNotHear), tried.splice(0)]).toEqual([{ id, kind: 'text' }, ['text']]);
  remember(id, { kind: 'text', asked });
  const hears = (kind: string) => (kind === 'text' ? new InputError('it hears', { modelKind: 'speech' }) : undefined);
  expect([await load(hears), tried]).toEqual([{ id, kind: 'speech' }, ['text', 'speech']]);
});

it("refuses a kind of a host's list that no page runs, by name", async () => {
  const page = { baseURI: 'https://host/', querySelector: () => ({ dataset: { list: 'models.json' } }) };
  vi.stubGlobal('document', page);
  const list = (kind: string | undefined) =>
    vi.stubGlobal('fetch', () => Promise.resolve(Response.json([{ name: 'One', url: 'one/', kind }])));
  list('speech');
  expect((await knownModels())[0]).toMatchObject({ id: 'https://host/one/', kind: 'speech' });
  list(undefined);
  expect((await knownModels())[0]!.kind).toBe('text');
  list('talk');
  await expect(knownModels()).rejects.toThrow('the kind of "One" is "talk"');
});
