// What the kernel benchmarks here share with `ingot bench`: its build's statistics and its word for the commit.
import * as machine from '../dist/bench/machine.js';

export { packageRoot as repoRoot } from '../dist/node/package-root.js';
export { summarise } from '../dist/bench/statistics.js';

const commit = await machine.describeCommit();
export const describeCommit = () => commit ?? undefined;
