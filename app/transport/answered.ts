/** Answers by a model that may be gone when it is asked: a machine that was suspended, or is short of memory, takes workers and GPUs. */
import { isGone } from './is-gone.ts';
import type { OneModel } from './one-model.ts';

export interface Asked<Model extends { dispose(): Promise<void> }> {
  readonly place: OneModel<Model>;
  /** Of the model that is in the place. */
  readonly id: string;
  /** Loads a model by its id, and puts it in the place. @returns what it is called there */
  readonly again: (id: string) => Promise<string>;
}

/** Where nothing was said there is nothing to go on with. */
function goneError(cause: Error, { hasBegun }: { readonly hasBegun: boolean }): Error {
  const next = hasBegun ? 'Going on, or asking again, loads' : 'Asking again loads';
  return new Error(`The browser, or the system, took the model away. ${next} it anew. (${cause.message})`, { cause });
}

/**
 * A model that is gone leaves its place. One that had not begun to answer is loaded again, once, and asked anew.
 * @throws Error in words where it goes in the middle, or again; what the answer does; what loading does
 */
export async function* answered<Model extends { dispose(): Promise<void> }, Piece>(
  { place, id: first, again }: Asked<Model>,
  answer: (model: Model) => AsyncIterable<Piece>,
): AsyncGenerator<Piece> {
  let id = first;
  for (let isSecond = false; ; isSecond = true) {
    const model = place.held?.model;
    let hasBegun = false;
    try {
      for await (const piece of place.use(id, answer)) {
        hasBegun = true;
        yield piece;
      }
      return;
    } catch (error) {
      if (!isGone(error) || model === undefined) throw error;
      await place.free(model);
      if (hasBegun || isSecond) throw goneError(error as Error, { hasBegun });
    }
    id = await again(id);
  }
}
