import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isWholePackage } from './llama-engine.ts';

it('takes a package whose build for this system is missing for one that is not there', () => {
  const modules = mkdtempSync(join(tmpdir(), 'ingot-half-'));
  try {
    const folder = join(modules, 'node-llama-cpp');
    expect(isWholePackage(folder)).toBe(false);
    mkdirSync(join(folder, 'dist'), { recursive: true });
    writeFileSync(join(folder, 'dist', 'index.js'), '');
    expect(isWholePackage(folder)).toBe(false);
    const system = { darwin: 'mac', win32: 'win' }[process.platform as string] ?? process.platform;
    mkdirSync(join(modules, '@node-llama-cpp', `${system}-${process.arch}-vulkan`), { recursive: true });
    // A placeholder, as the peers' lock file has for builds that they leave out.
    expect(isWholePackage(folder)).toBe(false);
    mkdirSync(join(modules, '@node-llama-cpp', `${system}-${process.arch}`, 'bins'), { recursive: true });
    expect(isWholePackage(folder)).toBe(true);
  } finally {
    rmSync(modules, { recursive: true, force: true });
  }
});
