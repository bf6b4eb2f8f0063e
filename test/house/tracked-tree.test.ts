import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isCheckout, repoRoot, trackedFiles } from './repository.ts';

const maxTreeBytes = 30e6;
const maxModelBytes = 16e6;
const maxSourceLines = 500;
const generated = /(^|\/)(dist|node_modules|coverage)\/|\.(tsbuildinfo|wasm|wat|tgz|log)$|^src\/.*\.(js|d\.ts|map)$/;
const binary = /\.(gguf|safetensors|bin|npy|npz|png|wav|model)$/;

/** Written in pieces so that this file does not find itself. */
const machineBound = ['/wo' + 'rk/', '/ro' + 'ot/', '/ho' + 'me/[a-z]', '/Us' + 'ers/[a-z]', 'registry' + '\\.', 'npmmirror' + '\\.', 'deb' + '\\.debian\\.org'];

describe.skipIf(!isCheckout)('the tracked tree', () => {
  const files = isCheckout ? trackedFiles() : [];
  const text = files.filter((path) => !binary.test(path));
  const sizeBytes = (path: string): number => statSync(join(repoRoot, path)).size;

  it('stays under 30 MB', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(files.reduce((sum, path) => sum + sizeBytes(path), 0)).toBeLessThan(maxTreeBytes);
  });

  it('bundles models of at most 16 MB', () => {
    const models = files.filter((path) => path.startsWith('models/'));
    expect(models.reduce((sum, path) => sum + sizeBytes(path), 0)).toBeLessThanOrEqual(maxModelBytes);
  });

  it('holds nothing that a build makes', () => {
    expect(files.filter((path) => generated.test(path))).toEqual([]);
  });

  it('has no source file of more than 500 lines', () => {
    const long = files
      .filter((path) => /^(src|scripts|examples|bench)\/.*\.(ts|mjs)$/.test(path))
      .map((path) => `${path}: ${readFileSync(join(repoRoot, path), 'utf8').split('\n').length}`)
      .filter((line) => Number(line.split(': ')[1]) > maxSourceLines);
    expect(long).toEqual([]);
  });

  it('names no path or registry of the machine it was written on', () => {
    const pattern = new RegExp(machineBound.join('|'));
    const offenders = text
      .filter((path) => sizeBytes(path) < 5e6)
      .flatMap((path) => readFileSync(join(repoRoot, path), 'utf8').split('\n').map((line, index) => [path, index + 1, line] as const))
      .filter(([, , line]) => pattern.test(line))
      .map(([path, number, line]) => `${path}:${number}: ${line.trim().slice(0, 100)}`);
    expect(offenders).toEqual([]);
  });

  it('leaves no unfinished business in the code', () => {
    const pattern = new RegExp('\\b(TO' + 'DO|FIX' + 'ME|XX' + 'X)\\b');
    expect(files.filter((path) => /^(src|scripts|examples|bench)\/.*\.(ts|mjs)$/.test(path) && pattern.test(readFileSync(join(repoRoot, path), 'utf8')))).toEqual([]);
  });
});
