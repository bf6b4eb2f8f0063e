/**
 * Set up before the tests that run on the CPU. Each model that is disposed asks V8 to collect twice, since nothing else gives shared memory
 * back. Tests dispose hundreds of small ones beside a large heap, where that is a third of their time: so here every eighth one asks.
 */
import { vi } from 'vitest';

const MODELS = 8;
let disposed = 0;

vi.mock('../src/node/thread-host.ts', async (importOriginal) => {
  const { createThreadHost } = await importOriginal<typeof import('../src/node/thread-host.ts')>();
  return {
    createThreadHost() {
      const host = createThreadHost();
      return { ...host, reclaim: async () => (++disposed % MODELS === 0 ? host.reclaim?.() : undefined) };
    },
  };
});
