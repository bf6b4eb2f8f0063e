// `npm test [-- --all | LANE...]`: installs on first use, runs the quick lanes (or all, or the named ones), closes with one line of counts.
import { ensureInstalled, repoRoot } from './install.mjs';
import { ensureNodes, ensurePeers, ensureTools, ownMajor } from './peers.mjs';
import { runTests } from './run-tests.mjs';
import { testLanes } from './test-lanes.mjs';

const oldestNode = 20;
const installers = { peers: ensurePeers, nodes: ensureNodes, tools: ensureTools };

/** What cannot be fetched is told here, and by the lanes that are skipped for want of it. */
function install(lanes, { all }) {
  ensureInstalled(repoRoot, { label: 'packages' });
  const needs = new Set(lanes.flatMap((lane) => [...(lane.needs ?? []), ...((all && lane.needsForAll) || [])]));
  for (const need of needs) {
    try {
      installers[need]();
    } catch (error) {
      process.stderr.write(`ingot: ${error.message}\n`);
    }
  }
}

async function main() {
  if (ownMajor < oldestNode) throw new Error(`Node ${oldestNode} or later is needed, this is ${process.versions.node}`);
  process.exitCode = await runTests({ lanes: testLanes, argv: process.argv.slice(2), env: process.env, install });
}

try {
  await main();
} catch (error) {
  process.stderr.write(`ingot: ${error.message}\n`);
  process.exitCode = 1;
}
