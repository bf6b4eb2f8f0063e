/** Items in groups, of which none waits long for the others of its group. */

export interface BatchOptions {
  /** Items of a group. */
  readonly most: number;
  /** How long a group that has one waits for the next. */
  readonly waitMs: number;
}

type Next<Item> = Promise<IteratorResult<Item>>;

/** The items in order. What the iteration throws is thrown behind the items before it. */
export async function* batches<Item>(items: AsyncIterable<Item>, { most, waitMs }: BatchOptions): AsyncGenerator<Item[]> {
  const iterator = items[Symbol.asyncIterator]();
  /** Asked for and not here yet. */
  let pending: Next<Item> | undefined;
  const ask = (): Next<Item> => {
    if (pending === undefined) {
      pending = iterator.next();
      // It is awaited later, or not at all where nobody reads on.
      pending.catch(() => {});
    }
    return pending;
  };
  try {
    for (;;) {
      const first = await ask();
      pending = undefined;
      if (first.done === true) return;
      const batch = [first.value];
      while (batch.length < most) {
        const next = await within(ask(), waitMs);
        if (next === undefined || next.done === true) break;
        pending = undefined;
        batch.push(next.value);
      }
      yield batch;
    }
  } finally {
    const returned = iterator.return?.();
    // An item that is awaited may be long in coming: what it comes from is closed then.
    if (pending === undefined) await returned;
    else void returned?.catch(() => {});
  }
}

/** Undefined where it takes longer, or fails. */
async function within<Result>(result: Promise<Result>, ms: number): Promise<Result | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => void (timer = setTimeout(() => resolve(undefined), ms)));
  try {
    return await Promise.race([result.catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}
