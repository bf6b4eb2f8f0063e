import { defineConfig } from 'vitest/config';

const peers = 'src/**/*.peers.test.ts';
const kernels = 'src/cpu/**/*.test.ts';
/** Run with the environment of scripts/software-gpu.mjs, or on a machine with a GPU. */
const gpu = ['src/gpu/**/*.test.ts', 'test/gpu/**/*.test.ts'];

/** Lanes of one suite: `core` needs nothing but a clone, `peers` the private package, `house` looks at the package itself. */
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    tags: [{ name: 'slow', description: 'takes long and shows nearly what others do: only npm test -- --all runs it' }],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'core',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [peers, kernels, ...gpu, 'test/house/**', 'test/**/*.peers.test.ts'],
        },
      },
      { extends: true, test: { name: 'kernels', include: [kernels], exclude: [peers] } },
      { extends: true, test: { name: 'gpu', include: gpu, setupFiles: 'test/gpu/calm-polling.ts' } },
      { extends: true, test: { name: 'peers', include: [peers, 'test/**/*.peers.test.ts'] } },
      { extends: true, test: { name: 'house', include: ['test/house/**/*.test.ts'], testTimeout: 300_000 } },
    ],
  },
});
