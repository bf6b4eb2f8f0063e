import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { describe, expect, it } from 'vitest';
import { isCheckout, repoRoot, trackedFiles } from './repository.ts';

/** Files by their paths, and the paths that each imports. */
type Imports = ReadonlyMap<string, readonly string[]>;

/** What a file imports from its neighbours, by `import`, `import type`, `export from` or `import()`; AssemblyScript leaves out `.ts`. */
function importsOf(path: string, text: string): string[] {
  const specifiers = [...text.matchAll(/(?:\bfrom|\bimport\s*\(|^import)\s*'(\.[^']+)'/gm)].map((match) => match[1] as string);
  return specifiers.map((name) => join(dirname(path), name.endsWith('.ts') ? name : `${name}.ts`));
}

/** Groups of files each of which reaches all others of its group (Tarjan's strongly connected components), sorted. */
function circlesOf(imports: Imports): string[][] {
  const circles: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const visit = (path: string): void => {
    order.set(path, order.size);
    lowest.set(path, order.get(path) as number);
    open.push(path);
    for (const next of imports.get(path) ?? []) {
      if (!order.has(next)) visit(next);
      if (open.includes(next)) lowest.set(path, Math.min(lowest.get(path) as number, lowest.get(next) as number));
    }
    if (lowest.get(path) !== order.get(path)) return;
    const group = open.splice(open.indexOf(path));
    if (group.length > 1 || (imports.get(path) ?? []).includes(path)) circles.push(group.toSorted());
  };
  for (const path of imports.keys()) if (!order.has(path)) visit(path);
  return circles;
}

describe('circles of imports, of types included', () => {
  it('are found where there are some', () => {
    const imports = new Map([
      ['a', ['b']], ['b', ['c']], ['c', ['a', 'd']], ['d', ['e']], ['e', ['d']], ['f', ['a']], ['g', ['g']], ['h', []],
    ]);
    expect(circlesOf(imports)).toEqual([['d', 'e'], ['a', 'b', 'c'], ['g']]);
    const text = [
      "import type { a } from './a.ts';", "import {\n  b,\n} from '../b.ts';", "export * from './c.ts';", "import './d';",
      "type e = import('./e.ts').E;",
    ].join('\n');
    expect(importsOf('src/x/y.ts', text)).toEqual(['src/x/a.ts', 'src/b.ts', 'src/x/c.ts', 'src/x/d.ts', 'src/x/e.ts']);
  });

  it.skipIf(!isCheckout)('are not in src', () => {
    const files = trackedFiles().filter((path) => /^src\/.*\.ts$/.test(path));
    const imports = new Map(files.map((path) => [path, importsOf(path, readFileSync(join(repoRoot, path), 'utf8'))]));
    expect([...imports.values()].flat().length).toBeGreaterThan(1000);
    expect(circlesOf(imports)).toEqual([]);
  });
});
