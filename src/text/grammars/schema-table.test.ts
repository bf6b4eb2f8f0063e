/** The page's table by keyword against the values that stand for each, and what is refused. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SCHEMA_FEATURES } from '../../../test/schema-features.ts';
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';
import { createJsonTexts } from './json-texts.ts';
import { schemaGrammar } from './schema-grammar.ts';
import { OBEYED_KEYWORDS } from './schema-keywords.ts';

const page = readFileSync(new URL('../../../docs/structured-output.md', import.meta.url), 'utf8');
const lines = page.split('\n');
const rows = lines.slice(lines.findIndex((line) => line.startsWith('| keyword |')) + 2).filter((_, i, all) =>
  all.slice(0, i + 1).every((line) => line.startsWith('|')));
const cells = rows.map((row) => row.slice(2, -2).split(' | '));
const texts = createJsonTexts();

/** Keywords of a schema and of those in it; the names of types count as keywords, as they do in the table. */
function keywordsIn(schema: JsonValue): string[] {
  if (Array.isArray(schema)) return schema.flatMap(keywordsIn);
  if (!isJsonObject(schema)) return [];
  return Object.entries(schema).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (['enum', 'const', 'required', 'default', 'examples', 'dependentRequired'].includes(name)) return [name];
    const types = Array.isArray(value) ? value : [value];
    if (name === 'type') return [name, ...types.filter((type) => type === 'number' || type === 'integer')];
    const named = ['properties', 'patternProperties', '$defs'].includes(name);
    return [name, ...(named ? Object.values(value as JsonObject).flatMap((each) => keywordsIn(each as JsonValue)) : keywordsIn(value))];
  }) as string[];
}

/** `properties`, `content...`: what a cell names, the last as the beginning of several. */
function namesIn(cell: string, all: Iterable<string> = OBEYED_KEYWORDS): string[] {
  return [...cell.matchAll(/`([^`]+)`/gu)].flatMap(([, name = '']) =>
    name.endsWith('...') ? [...all].filter((each) => each.startsWith(name.slice(0, -3))) : [name]);
}

const rowsSaying = (what: string) => cells.filter(([, obeyed]) => obeyed?.startsWith(what));
const NOTES = ['contentMediaType', 'contentEncoding', 'contentSchema'];
const REFUSED = ['unevaluatedProperties', 'unevaluatedItems'];
/** Of drafts 6 to 2019-09; the text above the table names them. */
const OLD = ['additionalItems', 'dependencies'];

describe('the table of keywords', () => {
  it('has each that is obeyed, and no other', () => {
    const named = rowsSaying('both ways').flatMap(([cell = '']) => namesIn(cell.replaceAll('and exclusive ones', '`exclusive...`')));
    expect([...new Set([...named, ...OLD])].filter((name) => name !== 'integer').sort()).toEqual([...OBEYED_KEYWORDS].sort());
    for (const name of OLD) expect(page).toContain(`\`${name}\``);
  });

  it.each(rowsSaying('both ways'))('says how many valid and invalid values stand for %s', (cell = '', _obeyed = '', counts = '') => {
    const names = namesIn(cell.replaceAll('and exclusive ones', '`exclusive...`').replaceAll('numbers', '`number`'));
    const features = SCHEMA_FEATURES.filter(([, schema]) => keywordsIn(schema).some((name) => names.includes(name)));
    const count = (at: 2 | 3) => features.reduce((sum, feature) => sum + feature[at].length, 0);
    expect(count(2)).toBeGreaterThan(0);
    expect(count(3)).toBeGreaterThan(0);
    expect(counts).toBe(`${count(2)}, ${count(3)}`);
  });

  it('says which say nothing, and which are refused', () => {
    const accepts = (name: string) => () => schemaGrammar({ type: 'integer', [name]: {} }, { texts, isStrict: true });
    const silent = rowsSaying('say nothing').flatMap(([cell = '']) => namesIn(cell, NOTES));
    expect(silent.length).toBeGreaterThan(10);
    for (const name of silent) expect(accepts(name), name).not.toThrow();
    const refused = rowsSaying('refused').flatMap(([cell = '']) => namesIn(cell, REFUSED));
    expect(refused.length).toBeGreaterThan(5);
    for (const name of [...refused, 'unknown']) expect(accepts(name), name).toThrow(`The schema at #/${name}:`);
  });
});
