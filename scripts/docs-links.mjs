// Links of a built site that lead nowhere: to files that are not there, and to places of a page that it has not.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const unescaped = (text) => text.replaceAll('&amp;', '&').replaceAll('&#39;', "'").replaceAll('&quot;', '"');

function pagesBelow(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const pages = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.html'));
  return pages.map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** The file that a path of the site stands for; undefined where there is none. */
function fileOf(path) {
  for (const candidate of [path, `${path}.html`, join(path, 'index.html')]) {
    if (existsSync(candidate) && statSync(candidate).isFile()) return candidate;
  }
  return undefined;
}

/** @returns `page: link` of each that is dead, in order; links to other hosts are not looked at */
export function deadLinks(folder) {
  const ids = new Map();
  const idsOf = (file) => {
    if (!ids.has(file)) ids.set(file, new Set([...readFileSync(file, 'utf8').matchAll(/\sid="([^"]*)"/g)].map(([, id]) => unescaped(id))));
    return ids.get(file);
  };
  const dead = new Set();
  for (const page of pagesBelow(folder)) {
    const links = readFileSync(page, 'utf8').matchAll(/\s(?:href|src)="([^"]*)"/g);
    for (const [, raw] of links) {
      const link = unescaped(raw);
      if (/^([a-z]+:|\/\/)/i.test(link) || link === '') continue;
      const [path, anchor] = link.split('#');
      const from = path.startsWith('/') ? folder : dirname(page);
      const target = path === '' ? page : fileOf(join(from, decodeURI(path)));
      const isThere = target !== undefined && (!anchor || !target.endsWith('.html') || idsOf(target).has(decodeURIComponent(anchor)));
      if (!isThere) dead.add(`${relative(folder, page)}: ${link}`);
    }
  }
  return [...dead].toSorted();
}
