// Tables of the race for people: node bench/race-tables.mjs writes them into README.md and docs/performance.md, between comments as
// `<!-- race: gpu summary -->` and `<!-- race ends -->`, out of bench/results/race-NAME.jsonl and race-NAME-rest.jsonl.
// `--check` changes nothing, and fails where a page would change. A page without a place, a place without its end and one without figures
// fail always, and what of the results stands in no table is named. `--results DIR` and `--pages FILE...` try it elsewhere. Needs dist/.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { repoRoot } from './measurement.mjs';

const PLACE = /(<!-- race: ([a-z-]+) (summary|full) -->\n)([^]*?)(<!-- race ends -->)/g;

const { values: { check, results: folder, pages } } = parseArgs({
  options: {
    check: { type: 'boolean', default: false }, results: { type: 'string', default: join(repoRoot, 'bench', 'results') },
    pages: { type: 'string', multiple: true, default: ['README.md', 'docs/performance.md'].map((page) => join(repoRoot, page)) },
  },
});
const cli = join(repoRoot, 'dist', 'cli', 'main.js');
const problems = [];
const shown = new Set();

/** @returns Markdown, or undefined where there is none, which is a problem */
function tables(name, form) {
  const found = ['', '-rest'].map((part) => `race-${name}${part}.jsonl`).filter((file) => existsSync(join(folder, file)));
  for (const file of found) shown.add(file);
  if (found.length === 0) return void problems.push(`race-${name}.jsonl is not in ${folder}: the place "${name} ${form}" stays empty`);
  console.error(`${found.join(' and ')}, ${form}:`);
  const paths = found.map((file) => join(folder, file));
  try {
    return execFileSync(process.execPath, [cli, 'bench', 'report', ...paths, '--markdown', form], {
      encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'],
    }).trimEnd();
  } catch (error) {
    return void problems.push(`${found.join(' and ')} gave no table for the place "${name} ${form}": ${error.message}`);
  }
}

for (const path of pages) {
  const before = readFileSync(path, 'utf8');
  const begun = before.match(/<!-- race: /g)?.length ?? 0;
  const places = [...before.matchAll(PLACE)];
  if (begun === 0) problems.push(`${path} has no place for a table: <!-- race: NAME summary --> and <!-- race ends -->`);
  if (places.length !== begun || places.some(([, , , , inside]) => inside.includes('<!-- race: ')))
    problems.push(`${path} has a place that is not "<!-- race: NAME summary -->" (or full) to "<!-- race ends -->"`);
  const after = before.replace(PLACE, (whole, head, name, form, _, end) => {
    const text = tables(name, form);
    return text === undefined ? whole : `${head}\n${text}\n\n${end}`;
  });
  if (check && after !== before) problems.push(`${path} is not what the results say: run node bench/race-tables.mjs`);
  if (!check) writeFileSync(path, after);
  console.log(`${path}: ${places.length} places${after === before ? ', as they were' : ''}`);
}
const others = readdirSync(folder).filter((file) => /^race-.*\.jsonl$/.test(file) && !shown.has(file));
if (others.length > 0) console.error(`in no page: ${others.join(', ')}`);
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exitCode = 1;
}
