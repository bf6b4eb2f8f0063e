import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repoRoot } from './repository.ts';

/** Where every op of the graph has its line. */
const rooms = ['src/graph/ops/index.ts', 'src/reference/ops/index.ts', 'src/cpu/ops/index.ts', 'src/gpu/ops/index.ts'];

/** Compiles the sources in `folder`; the files in which the compiler found something. */
function filesWithErrors(folder: string): string[] {
  const tsc = join(repoRoot, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.json', '--noEmit', '--pretty', 'false'], {
    cwd: folder,
    encoding: 'utf8',
  });
  const found = stdout.split('\n').flatMap((line) => /^(src\/[^(]+)\(\d+,\d+\): error/.exec(line)?.[1] ?? []);
  return [...new Set(found)].toSorted();
}

describe('an op that a room lacks', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-rooms-'));
    cpSync(join(repoRoot, 'src'), join(folder, 'src'), { recursive: true, filter: (path) => !path.endsWith('.test.ts') });
    cpSync(join(repoRoot, 'tsconfig.json'), join(folder, 'tsconfig.json'));
    cpSync(join(repoRoot, 'package.json'), join(folder, 'package.json'));
    symlinkSync(join(repoRoot, 'node_modules'), join(folder, 'node_modules'), 'junction');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('does not compile there: an op of the graph without lines', () => {
    expect(filesWithErrors(folder)).toEqual([]);
    const path = join(folder, 'src', 'graph', 'ops', 'index.ts');
    const text = readFileSync(path, 'utf8');
    const withMore = text.replace(/export type GraphOp =\s*\|?/, "export type GraphOp = { readonly kind: 'made up' } |");
    expect(withMore).not.toBe(text);
    writeFileSync(path, withMore);
    expect(filesWithErrors(folder)).toEqual(expect.arrayContaining(rooms));
    writeFileSync(path, text);
  });

  it.each(rooms)('does not compile: a line taken out of %s', (room) => {
    const path = join(folder, room);
    const text = readFileSync(path, 'utf8');
    const without = text.replaceAll(/^ {2}add: .*\n/gm, '');
    expect(without).not.toBe(text);
    writeFileSync(path, without);
    expect(filesWithErrors(folder)).toContain(room);
    writeFileSync(path, text);
  });
});
