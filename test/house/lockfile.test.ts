import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repoRoot } from './repository.ts';

interface LockEntry {
  version?: string;
  resolved?: string;
  link?: boolean;
  inBundle?: boolean;
  integrity?: string;
  os?: string[];
  cpu?: string[];
  optionalDependencies?: Record<string, string>;
}

type Lock = Record<string, LockEntry>;

const platforms = [['darwin', 'arm64'], ['darwin', 'x64'], ['win32', 'x64'], ['linux', 'arm64'], ['linux', 'x64']] as const;

function readLock(path: string): Lock {
  return (JSON.parse(readFileSync(join(repoRoot, path), 'utf8')) as { packages: Lock }).packages;
}

/** Packages that get their native code from optional packages, one for each platform. */
function nativePackages(lock: Lock): [string, string[]][] {
  const found: [string, string[]][] = [];
  for (const [path, entry] of Object.entries(lock)) {
    const bindings = Object.keys(entry.optionalDependencies ?? {}).filter((name) => /darwin|win32|linux/.test(name));
    if (path !== '' && bindings.length > 1) found.push([path.replace(/^.*node_modules\//, ''), bindings]);
  }
  return found;
}

describe('package-lock.json', () => {
  const lock = readLock('package-lock.json');
  const natives = nativePackages(lock);

  it('knows the native packages this project stands on', () => {
    const names = natives.map(([name]) => name);
    for (const name of ['typescript', 'oxlint', 'rolldown', 'lightningcss']) expect(names).toContain(name);
  });

  it.each(natives)('names a %s binary for every platform', (_name, bindings) => {
    const missing = platforms.filter(([os, cpu]) => !bindings.some((binding) => {
      const entry = lock[`node_modules/${binding}`];
      return entry?.integrity !== undefined && entry.os?.includes(os) && entry.cpu?.includes(cpu);
    }));
    expect(missing).toEqual([]);
  });

  it.each(platforms)('has a WebGPU for %s-%s in the package of all platforms', (os, cpu) => {
    const folder = join(repoRoot, 'node_modules', 'webgpu', 'dist', `${os}-${os === 'darwin' ? 'universal' : cpu}`);
    expect(existsSync(join(folder, 'dawn.node'))).toBe(true);
  });

  it('agrees with package.json', () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')) as Record<string, object>;
    expect(lock['']).toMatchObject({ dependencies, devDependencies });
  });
});

const locks = [
  'package-lock.json', 'peers/package-lock.json', 'peers/nodes/package-lock.json', 'peers/gpu/package-lock.json',
  'peers/tools/package-lock.json', 'site/package-lock.json',
];

describe.each(locks)('%s', (path) => {
  const lock = readLock(path);

  it('names no registry: a clone installs from whichever one its machine uses', () => {
    const hosts = Object.entries(lock).filter(([, entry]) => entry.resolved !== undefined && /^[a-z+]+:\/\//.test(entry.resolved));
    expect(hosts).toEqual([]);
  });

  it('pins every package by hash', () => {
    const unpinned = Object.entries(lock).filter(([name, entry]) =>
      name.startsWith('node_modules/') && entry.version !== undefined && !entry.inBundle && entry.integrity === undefined);
    expect(unpinned).toEqual([]);
  });
});
