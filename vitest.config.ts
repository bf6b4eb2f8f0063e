import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

const peers = 'src/**/*.peers.test.ts';
const kernels = 'src/cpu/**/*.test.ts';
/** Run with the environment of scripts/software-gpu.mjs, or on a machine with a GPU. */
const gpu = ['src/gpu/**/*.test.ts', 'test/gpu/**/*.test.ts'];

/** Files that take more than half a minute of processor time and are not among the largest. */
const LONGEST = [
  'test/gpu/null-backend.test.ts', 'test/gpu/goldens.test.ts', 'src/gpu/plan/device-limits.test.ts', 'test/gpu/attention-scores.test.ts',
  'src/gpu/kernels/delta-rule/delta-chunk.test.ts', 'src/gpu/kernels/gemv-float/gemv-float-experts.test.ts',
  'src/gpu/kernels/gemv-int8/gemv-int8-experts.test.ts', 'src/gpu/kernels/gemm/gemm-experts.test.ts', 'test/gpu/ember.test.ts',
  'test/gpu/streams.test.ts', 'test/gpu/fusion-rules.test.ts', 'src/cli/cli.test.ts', 'src/cli/help.test.ts', 'src/node/convert.test.ts',
  'test/ember/perplexity.test.ts', 'test/ember/evaluation.test.ts', 'src/engine/hybrid-chat.test.ts', 'src/cpu/experts.test.ts',
];

/**
 * Long files first, so that at the end of a lane no core waits for the other. vitest goes by how long files took, which a clean checkout
 * does not know, and then by their size.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification): number => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}`));
      return place === -1 ? LONGEST.length : place;
    };
    return (await super.sort(files)).toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}

/** Lanes of one suite: `core` needs nothing but a clone, `peers` the private package, `house` looks at the package itself. */
export default defineConfig({
  test: {
    globalSetup: 'test/own-folders.ts',
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    tags: [{ name: 'slow', description: 'takes long and shows nearly what others do: only npm test -- --all runs it' }],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 50_000 } },
    setupFiles: ['test/patient-waiting.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'core',
          setupFiles: 'test/calm-collecting.ts',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [peers, kernels, ...gpu, 'test/house/**', 'test/**/*.peers.test.ts'],
        },
      },
      { extends: true, test: { name: 'kernels', include: [kernels], exclude: [peers], setupFiles: 'test/calm-collecting.ts' } },
      { extends: true, test: { name: 'gpu', include: gpu, setupFiles: 'test/gpu/calm-polling.ts' } },
      {
        extends: true,
        test: {
          name: 'peers',
          include: [peers, 'test/**/*.peers.test.ts'],
          globalSetup: 'test/browser/unpack-chromium.ts',
          // A browser and its workers share two cores with other tests: only what hangs takes so long.
          testTimeout: 240_000,
          hookTimeout: 300_000,
        },
      },
      { extends: true, test: { name: 'house', include: ['test/house/**/*.test.ts'], testTimeout: 300_000 } },
    ],
  },
});
