/** What `npm run docs` stands on: pages that lead to pages, in sections. The site itself is built by hand, and refuses dead links too. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repoRoot } from './repository.ts';

const { deadLinks } = (await import(join(repoRoot, 'scripts', 'docs-links.mjs'))) as { deadLinks(folder: string): string[] };
const { missingPages, withoutTemplates } = (await import(join(repoRoot, 'scripts', 'docs.mjs'))) as {
  missingPages(): Promise<string[]>;
  withoutTemplates(markdown: string): string;
};

const docs = readdirSync(join(repoRoot, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`);
const pages = ['README.md', 'bench/README.md', ...docs];
/** Pages that the site makes of other files. */
const MADE: Readonly<Record<string, string>> = { 'docs/bench.md': 'bench/README.md', 'docs/examples.md': 'examples/chat.mjs' };

/** As GitHub and the site make them of headings. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...markdown.matchAll(/^#{1,6} +(.+)$/gm)].map(([, text]) => text!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1'));
  return new Set(headings.map((text) => text.trim().toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-')));
}

const proseOf = (markdown: string) => markdown.replaceAll(/^```[^]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, '');

function isDead(page: string, link: string): boolean {
  if (/^([a-z]+:|\/)/.test(link)) return false;
  const [path = '', anchor] = link.split('#');
  const named = path === '' ? page : join(dirname(page), path);
  const target = join(repoRoot, MADE[named] ?? named);
  if (!existsSync(target)) return true;
  return anchor !== undefined && target.endsWith('.md') && !anchorsOf(readFileSync(target, 'utf8')).has(anchor);
}

describe('the pages', () => {
  it.each(pages)('%s leads to pages and places that there are', (page) => {
    const links = [...proseOf(readFileSync(join(repoRoot, page), 'utf8')).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
    expect(links.filter((link) => isDead(page, link))).toEqual([]);
  });

  it('are all that sections of the site name', async () => expect(await missingPages()).toEqual([]));

  it('are no templates of Vue, but for code, which shows what it shows', () => {
    expect(withoutTemplates('a {{ b }} `{{ c }}`\n```\n{{ d }}\n```\n')).toBe('a &#123;&#123; b }} `{{ c }}`\n```\n{{ d }}\n```\n');
  });
});

it('a built site is searched for links that lead nowhere', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-site-'));
  try {
    mkdirSync(join(folder, 'api'));
    const links = (...places: readonly string[]) => places.map((place) => `<a href="${place}"></a>`).join('');
    writeFileSync(join(folder, 'index.html'), links('/api/x.html#there', 'api/x', '#no', 'https://a.b/'));
    writeFileSync(join(folder, 'api', 'x.html'), `<h2 id="there"></h2>${links('../index.html', '/gone.html')}<img src="/p.svg">`);
    expect(deadLinks(folder)).toEqual(['api/x.html: /gone.html', 'api/x.html: /p.svg', 'index.html: #no']);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
