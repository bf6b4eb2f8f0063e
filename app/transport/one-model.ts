/** Room for one model at a time: loads follow one another, and none takes a model from an answer that it writes. */
import { orAborted } from './or-aborted.ts';

/** What a model has that is put in: its end frees all that it holds. */
interface Disposable {
  dispose(): Promise<void>;
}

export interface Held<Model extends Disposable> {
  readonly id: string;
  readonly model: Model;
}

export interface PutOptions<Model extends Disposable> {
  readonly signal: AbortSignal;
  /** It has to wait for answers of the model that is there. */
  readonly onWait: () => void;
  /** Loads the model, once there is room for it. What it rejects with, nothing is left of. */
  readonly open: () => Promise<Model>;
  /** What the model is called that was loaded. */
  readonly idOf: () => Promise<string>;
}

export interface OneModel<Model extends Disposable> {
  readonly held: Held<Model> | undefined;
  /** Puts a model in the place of the one that is there. @returns its id @throws the signal's reason at once when it aborts */
  put(options: PutOptions<Model>): Promise<string>;
  /** Answers by the model that is there, which stays until they are over. @throws Error in words where it is another one, or none */
  use<Piece>(id: string, answer: (model: Model) => AsyncIterable<Piece>): AsyncGenerator<Piece>;
  /** Frees the model that is there, also from its answers; of two models, this one. */
  free(which?: Model): Promise<void>;
}

export function createOneModel<Model extends Disposable>(): OneModel<Model> {
  let held: Held<Model> | undefined;
  let lastPut: Promise<unknown> = Promise.resolve();
  /** Each settles with the end of an answer. */
  const answers = new Set<Promise<void>>();

  const free = async (which = held?.model) => {
    if (held === undefined || held.model !== which) return;
    const { model } = held;
    held = undefined;
    await model.dispose();
  };
  const putNow = async ({ signal, onWait, open, idOf }: PutOptions<Model>) => {
    signal.throwIfAborted();
    while (answers.size > 0) {
      onWait();
      await orAborted(Promise.all(answers), signal);
    }
    await free();
    const model = await open();
    try {
      held = { id: await idOf(), model };
    } catch (error) {
      await model.dispose();
      throw error;
    }
    return held.id;
  };
  async function* use<Piece>(id: string, answer: (model: Model) => AsyncIterable<Piece>): AsyncGenerator<Piece> {
    if (held?.id !== id) throw new Error('The model is not loaded. Load it first.');
    let end = () => {};
    const over = new Promise<void>((resolve) => (end = resolve));
    answers.add(over);
    try {
      yield* answer(held.model);
    } finally {
      answers.delete(over);
      end();
    }
  }

  return {
    get held() {
      return held;
    },
    put(options) {
      const turn = lastPut.then(() => putNow(options));
      lastPut = turn.catch(() => {});
      return orAborted(turn, options.signal);
    },
    use,
    free,
  };
}
