/** What routes need that keep something: a store, and what is in it of whoever asks. */
import type { Call } from './call.ts';
import { Failure } from './failure.ts';
import type { Owned, ServerStore } from './store.ts';
import { storeFailure } from './access/access-control.ts';

/** @throws Failure (404) where the server keeps nothing */
export function requireStore({ state: { store } }: Call): ServerStore {
  if (store === undefined)
    throw new Failure('This server keeps nothing: start it with a database ("ingot serve --database", or a store of createServer).', {
      status: 404, code: 'no_store',
    });
  return store;
}

/** What a store answers. @throws Failure (503) where it does not */
export async function fromStore<Result>(asked: Promise<Result>): Promise<Result> {
  try {
    return await asked;
  } catch (error) {
    throw storeFailure(error);
  }
}

/** @throws Failure (404) for what there is not, and for what belongs to another key, in the same words */
export async function findOwned<Found extends Owned>(call: Call, what: string, asked: Promise<Found | undefined>): Promise<Found> {
  const found = await fromStore(asked);
  if (found !== undefined && found.keyId === call.holder?.keyId) return found;
  throw new Failure(`There is no such ${what} here; it may have expired.`, { status: 404, code: 'not_found' });
}

/** An id as OpenAI's have it: `file-...`, `batch_...`. */
export function newId(start: string): string {
  return `${start}${crypto.randomUUID().replaceAll('-', '')}`;
}

/** Seconds since 1970, or null. */
export function secondsOf(at: number | undefined): number | null {
  return at === undefined ? null : Math.floor(at / 1000);
}
