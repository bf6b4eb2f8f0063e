import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isCheckout, repoRoot, trackedFiles } from './repository.ts';

const maxTreeBytes = 40e6;
const maxModelBytes = 16e6;
const maxSourceLines = 500;
/** In UTF-16 units, as editors count columns. */
const maxLineLength = 140;
const generated = /(^|\/)(dist|node_modules|coverage)(\/|$)|\.(tsbuildinfo|wasm|wat|tgz|log)$|^src\/.*\.(js|d\.ts|map)$/;
const binary = /\.(gguf|safetensors|bin|npy|npz|png|wav|model)$/;

/** Each with a class of one letter, so that this file does not find itself. */
const machineBound = /\/wor[k]\/|\/roo[t]\/|\/hom[e]\/[a-z]|\/User[s]\/[a-z]|registr[y]\.|npmmirro[r]\.|deb\.debia[n]\.org/;
const unfinished = /\b(?:TOD[O]|FIXM[E]|XX[X])\b/;

describe.skipIf(!isCheckout)('the tracked tree', () => {
  const files = isCheckout ? trackedFiles() : [];
  const text = files.filter((path) => !binary.test(path));
  const sizeBytes = (path: string): number => statSync(join(repoRoot, path)).size;

  it('stays under 40 MB', () => {
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

  it('has no line of code of more than 140 characters', () => {
    const long = files
      .filter((path) => /\.(ts|mjs)$/.test(path))
      .flatMap((path) => {
        const lines = readFileSync(join(repoRoot, path), 'utf8').split('\n');
        return lines.map((line, index) => (line.length > maxLineLength ? `${path}:${index + 1}: ${line.length} characters` : ''));
      })
      .filter(Boolean);
    expect(long).toEqual([]);
  });

  it('names no path or registry of the machine it was written on', () => {
    const offenders = text
      .filter((path) => sizeBytes(path) < 5e6)
      .flatMap((path) => readFileSync(join(repoRoot, path), 'utf8').split('\n').map((line, index) => [path, index + 1, line] as const))
      .filter(([, , line]) => machineBound.test(line))
      .map(([path, number, line]) => `${path}:${number}: ${line.trim().slice(0, 100)}`);
    expect(offenders).toEqual([]);
  });

  it('leaves no unfinished business in the code', () => {
    expect(
      files.filter(
        (path) => /^(src|scripts|examples|bench)\/.*\.(ts|mjs)$/.test(path) && unfinished.test(readFileSync(join(repoRoot, path), 'utf8')),
      ),
    ).toEqual([]);
  });
});
