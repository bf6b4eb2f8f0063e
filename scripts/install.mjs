// Installs a package folder's locked dependencies on first use, and again when the lockfile has changed.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repoRoot = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs npm quietly; what it prints goes to stderr, since stdout may be carrying a model's answer. Returns the exit status. */
export function runNpm(args, { cwd, env = process.env }) {
  const npmCli = process.env.npm_execpath;
  const viaNode = npmCli?.endsWith('.js') && existsSync(npmCli);
  const command = viaNode ? process.execPath : 'npm';
  const result = spawnSync(command, viaNode ? [npmCli, ...args] : args, {
    cwd,
    env,
    stdio: ['ignore', 2, 2],
    shell: !viaNode && process.platform === 'win32',
  });
  if (result.error) throw new Error(`npm could not be started (${result.error.message}); install Node 20 or later with npm`);
  return result.status ?? 1;
}

function lockedPackages(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

/**
 * True when `folder`'s node_modules holds what its lockfile names. npm writes its own lockfile there as the last step of an
 * install, so an interrupted one does not count. Optional packages may be absent, since most
 * are for other platforms, but not old.
 */
export function isInstalled(folder) {
  const installedPath = join(folder, 'node_modules', '.package-lock.json');
  if (!existsSync(installedPath)) return false;
  const installed = lockedPackages(installedPath);
  const wanted = Object.entries(lockedPackages(join(folder, 'package-lock.json')));
  return wanted.every(([path, entry]) => {
    if (!path.startsWith('node_modules/') || entry.link || entry.peer) return true;
    if (entry.optional && !installed[path]) return true;
    return installed[path]?.version === entry.version;
  });
}

/** `npm ci` in `folder` unless that has been done for this lockfile. Throws with npm's words already on stderr. */
export function ensureInstalled(folder, { label, extraArgs = [] }) {
  if (isInstalled(folder)) return;
  const startMs = Date.now();
  process.stderr.write(`ingot: installing ${label} (first use) ...\n`);
  const args = ['ci', '--include=dev', '--include=optional', '--loglevel=error', '--no-audit', '--no-fund', ...extraArgs];
  const status = runNpm(args, { cwd: folder });
  if (status !== 0) throw new Error(`npm ci in ${folder} exited with ${status}; check the network and run it again`);
  process.stderr.write(`ingot: installed ${label} in ${((Date.now() - startMs) / 1000).toFixed(1)} s\n`);
}
