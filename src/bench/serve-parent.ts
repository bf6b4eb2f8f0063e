import type { ChildAnswer, ChildRequest } from './child-process.ts';

type Methods = Readonly<Record<string, unknown>>;

/**
 * The child's side of `child-process.ts`: `open` makes the methods and the first answer, then requests are answered in order.
 * The process ends when the parent lets go of it, or has gone.
 */
export async function serveParent(open: () => Promise<{ readonly ready: unknown; readonly methods: Methods }>): Promise<void> {
  const send = (answer: ChildAnswer) => new Promise<void>((resolve) => process.send!(answer, () => resolve()));
  const failed = (error: unknown): ChildAnswer =>
    error instanceof Error ? { error: error.message, name: error.name } : { error: String(error), name: 'Error' };
  // Ctrl-C in a terminal is the parent's to act on.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit());
  try {
    const { ready, methods } = await open();
    process.on('message', ({ method, args }: ChildRequest) => {
      const call = (methods[method] ?? (() => Promise.reject(new Error(`it has no "${method}"`)))) as (
        ...given: readonly unknown[]
      ) => Promise<unknown>;
      void call(...args).then((value) => send({ value: value ?? null }), (error: unknown) => send(failed(error)));
    });
    await send({ value: ready });
  } catch (error) {
    await send(failed(error));
    process.disconnect();
  }
}
