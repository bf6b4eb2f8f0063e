// `npm start`: from a fresh clone to a conversation. Installs and builds when needed (all of that on stderr), then is the CLI.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const oldestNode = 20;
const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Runs the built CLI in our place: same terminal, same signals, same exit code. */
function runCli(cliPath, args) {
  const child = spawn(process.execPath, [cliPath, ...args], { stdio: 'inherit' });
  for (const signal of forwarded) {
    // A terminal's Ctrl-C reaches the child by itself; sending it twice would look like an impatient second one.
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('error', (error) => fail(`the CLI could not be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 0);
  });
}

function fail(message) {
  process.stderr.write(`ingot: ${message}\n`);
  process.exitCode = 1;
}

async function main() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < oldestNode) return fail(`Node ${oldestNode} or later is needed, this is ${process.versions.node}`);
  const { ensureInstalled, repoRoot } = await import('./install.mjs');
  ensureInstalled(repoRoot, { label: 'packages' });
  const { build } = await import('./build.mjs');
  await build();
  const cliPath = join(repoRoot, 'dist', 'cli', 'main.js');
  if (!existsSync(cliPath)) return fail(`${cliPath} was not built; run npm run build and read what it says`);
  runCli(cliPath, process.argv.slice(2));
}

main().catch((error) => fail(error.message));
