/**
 * Items of several sources, each as soon as it is there; those of a source in order. A source is asked for its next item when its last one
 * was taken. What one throws is thrown; then, or where the loop is left, all are closed.
 */
export async function* interleaved<Item>(sources: readonly AsyncGenerator<Item>[]): AsyncGenerator<Item> {
  const ask = async (source: AsyncGenerator<Item>) => ({ source, result: await source.next() });
  const pending = new Map(sources.map((source) => [source, ask(source)]));
  for (const each of pending.values()) each.catch(() => {});
  try {
    while (pending.size > 0) {
      const { source, result } = await Promise.race(pending.values());
      pending.delete(source);
      if (result.done === true) continue;
      yield result.value;
      const next = ask(source);
      next.catch(() => {});
      pending.set(source, next);
    }
  } finally {
    // One whose next item is awaited may be long in coming to it: it closes by itself then.
    const closed = sources.map((source) => ({ source, closing: source.return(undefined).catch(() => {}) }));
    await Promise.all(closed.map(({ source, closing }) => (pending.has(source) ? undefined : closing)));
  }
}
