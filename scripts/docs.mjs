// `npm run docs`: the pages of docs/ and the docstrings as a site in site/dist. Its packages are site/'s own, fetched on first use.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { deadLinks } from './docs-links.mjs';
import { ensureInstalled, repoRoot } from './install.mjs';

const site = join(repoRoot, 'site');
const pages = join(site, 'pages');
export const siteFolder = join(site, 'dist');

/** Entries of the package whose docstrings are the reference. */
const ENTRIES = ['src/node/index.ts', 'src/browser/index.ts', 'src/server/index.ts', 'src/server/ai-sdk/index.ts'];

/** Text of Markdown that Vue would take for a template of its own. Code is left as it is: VitePress escapes it. */
export function withoutTemplates(markdown) {
  const pieces = markdown.split(/(^```[^]*?^```[^\n]*$|`[^`\n]*`)/m);
  return pieces.map((piece, i) => (i % 2 === 1 ? piece : piece.replaceAll('{{', '&#123;&#123;'))).join('');
}

const FRONT = `---
layout: home
hero:
  name: Ingot
  text: Language models on the machine in front of you
  tagline: From TypeScript, at the speed of the hardware. One package, in Node and in browsers.
  actions:
    - { text: Start in five minutes, link: /start }
    - { theme: alt, text: How it works, link: /how-it-works }
    - { theme: alt, text: API, link: /api/README }
---

![Ingot in a terminal](/terminal.svg)
`;

/** Each example as it is, with what its first line says. */
function examplesPage() {
  const folder = join(repoRoot, 'examples');
  const names = ['', 'apps/'].flatMap((under) =>
    readdirSync(join(folder, under)).filter((name) => /\.(mjs|ts)$/.test(name)).toSorted().map((name) => under + name));
  const parts = names.map((name) => {
    const source = readFileSync(join(folder, name), 'utf8').trimEnd();
    return `## ${name}\n\n\`\`\`${name.endsWith('.ts') ? 'ts' : 'js'}\n${source}\n\`\`\`\n`;
  });
  return `# Examples\n\nEach is run by the tests; Electron's is checked by the compiler alone.\n\n${parts.join('\n')}`;
}

function layOut() {
  rmSync(pages, { recursive: true, force: true });
  mkdirSync(join(pages, 'public'), { recursive: true });
  const docs = join(repoRoot, 'docs');
  for (const name of readdirSync(docs)) {
    if (name.endsWith('.md')) put(name, readFileSync(join(docs, name), 'utf8').replaceAll('(../bench/README.md)', '(bench.md)'));
    else copyFileSync(join(docs, name), join(pages, 'public', name));
  }
  put('bench.md', readFileSync(join(repoRoot, 'bench', 'README.md'), 'utf8').replaceAll('(../docs/', '('));
  put('examples.md', examplesPage());
  put('index.md', FRONT);
}

function put(name, text) {
  writeFileSync(join(pages, name), withoutTemplates(text).replaceAll('(serve-config.schema.json)', '(/serve-config.schema.json)'));
}

function run(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: site, stdio: ['ignore', 2, 2] });
    child.on('error', reject);
    child.on('exit', (code, signal) => (code === 0 ? resolve() : reject(new Error(`${args[0]} ended with ${code ?? signal}; see above`))));
  });
}

function writeReference() {
  const entries = ENTRIES.flatMap((entry) => ['--entryPoints', join(repoRoot, entry)]);
  return run([
    join(site, 'node_modules', 'typedoc', 'bin', 'typedoc'), '--options', join(site, 'typedoc.json'),
    '--tsconfig', join(repoRoot, 'tsconfig.json'), '--out', join(pages, 'api'), ...entries,
  ]);
}

/** Names of sections without a page, in sentences. */
export async function missingPages() {
  const { sections } = await import(pathToFileURL(join(site, 'sections.mjs')).href);
  const own = readdirSync(join(repoRoot, 'docs')).filter((name) => name.endsWith('.md'));
  const there = ['bench', 'examples', ...own.map((name) => name.slice(0, -3))];
  const listed = sections.flatMap((section) => section.pages.map(({ page }) => page));
  return listed.filter((name) => !there.includes(name)).map((name) => `site/sections.mjs names ${name}, which docs/ has not`);
}

/** Builds the site. @throws Error with every dead link */
export async function buildDocs() {
  const problems = await missingPages();
  if (problems.length > 0) throw new Error(problems.join('; '));
  ensureInstalled(site, { label: 'what builds the site, about 50 MB', extraArgs: ['--ignore-scripts'] });
  layOut();
  await writeReference();
  for (const name of ['terminal.svg', 'token-path.svg']) copyFileSync(join(site, 'pictures', name), join(pages, 'public', name));
  await run([join(site, 'node_modules', 'vitepress', 'bin', 'vitepress.js'), 'build', '.']);
  const dead = deadLinks(siteFolder);
  if (dead.length > 0) throw new Error(`dead links:\n${dead.join('\n')}`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await buildDocs();
    process.stderr.write(`ingot: the site is in ${existsSync(siteFolder) ? 'site/dist' : 'nowhere'}\n`);
  } catch (error) {
    process.stderr.write(`ingot: ${error.message}\n`);
    process.exitCode = 1;
  }
}
