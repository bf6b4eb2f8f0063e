/** `bench/race-tables.mjs`: pages have the tables that results give, and none stays empty without a word. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resultRow } from '../result-row.ts';

const script = fileURLToPath(new URL('../../bench/race-tables.mjs', import.meta.url));
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const place = (name: string, inside = '') => `before\n<!-- race: ${name} summary -->\n${inside}<!-- race ends -->\nafter\n`;

const isBuilt = existsSync(cli);
if (!isBuilt) console.warn('the tables of the race are not tested: dist/ is missing, which "node scripts/build.mjs" makes');

describe.skipIf(!isBuilt)('the tables of the race', () => {
  let folder = '';
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'ingot-race-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function tables(pages: Readonly<Record<string, string>>, ...args: readonly string[]) {
    const paths = Object.entries(pages).map(([name, text]) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    });
    const all = [script, '--results', folder, ...paths.flatMap((path) => ['--pages', path]), ...args];
    const { status, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8' });
    return { status, stderr, texts: paths.map((path) => readFileSync(path, 'utf8')) };
  }

  it('are written into their places, and what stands in none is named', () => {
    const rival = { engine: { name: 'b', version: '2', device: 'cpu' } };
    const rows = [
      resultRow('decode 128 after 128', [50]), resultRow('decode 128 after 128', [25], rival), resultRow('first request', [3]),
    ];
    const linesOf = (some: readonly object[]) => some.map((row) => `${JSON.stringify(row)}\n`).join('');
    writeFileSync(join(folder, 'race-own.jsonl'), linesOf(rows));
    writeFileSync(join(folder, 'race-bare.jsonl'), linesOf(rows.slice(2)));
    const { status, stderr, texts: [text] } = tables({ 'a.md': place('own') });
    expect([status, text]).toEqual([0, expect.stringContaining('\n| m | 50.0 / 25.0 (2.00x) |\n\n<!-- race ends -->\nafter')]);
    expect(stderr).toMatch(/^race-own\.jsonl, summary:\n1 row in no table .*\n {2}m, ingot, 2026-11-30: first request\n/);
    expect(stderr).toContain('in no page: race-bare.jsonl');
    expect(tables({ 'a.md': text! }, '--check').status).toBe(0);
  });

  it('fail where one is missing or empty', () => {
    const pages = {
      'empty.md': place('own'), 'none.md': 'no place', 'absent.md': place('absent'), 'bare.md': place('bare'),
      'open.md': '<!-- race: own summary -->\n',
    };
    const { status, stderr, texts } = tables(pages, '--check');
    expect(status).toBe(1);
    for (const problem of [
      'empty.md is not what the results say', 'none.md has no place for a table', 'race-absent.jsonl is not in',
      'race-bare.jsonl gave no table', 'open.md has a place that is not',
    ])
      expect(stderr).toContain(problem);
    expect(texts).toEqual(Object.values(pages));
  });
});
