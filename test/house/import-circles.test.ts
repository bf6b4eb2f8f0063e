/** Files import each other in one direction, types included: what two files share stands in a third. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { repoRoot } from './repository.ts';

type Imports = ReadonlyMap<string, readonly string[]>;

/** What each source names in its imports, types among them; assembly leaves the ending out. */
function importsOf(folder: string): Imports {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(folder, name));
  const named = (file: string, name: string) => [resolve(dirname(file), name), resolve(dirname(file), `${name}.ts`)].find(existsSync);
  return new Map(files.map((file) => [
    file,
    [...readFileSync(file, 'utf8').matchAll(/ from '(\.[^']+)'/g)].flatMap(([, name = '']) => named(file, name) ?? []),
  ]));
}

/** The first circle that a walk along the imports meets, as paths; undefined where there is none. */
function circleOf(imports: Imports): readonly string[] | undefined {
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of imports.get(file) ?? []) {
      const circle = walk(next, [...path, file]);
      if (circle !== undefined) return circle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of imports.keys()) {
    const circle = walk(file, []);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

it('no two sources import each other, not even by way of others', () => {
  const imports = importsOf(join(repoRoot, 'src'));
  expect(imports.size).toBeGreaterThan(100);
  expect(circleOf(imports)?.map((file) => relative(repoRoot, file))).toBeUndefined();
});

it('a circle of three is found', () => {
  expect(circleOf(new Map([['a', ['b']], ['b', ['d', 'c']], ['c', ['a']], ['d', []]]))).toEqual(['a', 'b', 'c', 'a']);
});
