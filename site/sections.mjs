// Which pages the site has, in which order. A page of docs/ that is not named here stands under "More".
import { existsSync, readFileSync, readdirSync } from 'node:fs';

const page = (text, name) => ({ text, page: name });

export const sections = [
  { title: 'Begin', pages: [page('Start in five minutes', 'start'), page('Install', 'install'), page('Models by name', 'models')] },
  {
    title: 'Guides',
    pages: [
      page('The library', 'library'), page('Chats', 'chat'), page('Tools', 'tools'),
      page('Structured output', 'structured-output'), page('GPUs', 'gpu'), page('Formats', 'formats'), page('Server', 'server'),
      page('App', 'app'), page('Images', 'images'), page('Speech', 'speech'), page('Whisper', 'whisper'),
      page('Speaking', 'speaking'), page('Browser', 'browser'), page('Performance', 'performance'),
      page('Reproducible figures', 'reproducible'),
      page('Keys and values', 'key-value-types'), page('Troubleshooting', 'troubleshooting'), page('Examples', 'examples'),
    ],
  },
  { title: 'Compared', pages: [page('With others', 'comparison')] },
  {
    title: 'Inside',
    pages: [
      page('How it works', 'how-it-works'), page('Architecture', 'ARCHITECTURE'), page('State', 'state'), page('Executors', 'executors'),
      page('Speech and server', 'inside'), page('Answers', 'answers'), page('Plans', 'plans'), page('How to add', 'extending'),
      page('Tests', 'tests'), page('Decisions', 'decisions'), page('Experiments', 'experiments'), page('Benchmarks', 'bench'),
    ],
  },
];

/** Pages that no section names, by their own headings. */
export function moreSection() {
  const named = new Set(sections.flatMap(({ pages }) => pages.map((each) => each.page)));
  const docs = new URL('../docs/', import.meta.url);
  const others = readdirSync(docs).filter((name) => name.endsWith('.md') && !named.has(name.slice(0, -3))).toSorted();
  const heading = (name) => /^# (.+)$/m.exec(readFileSync(new URL(name, docs), 'utf8'))?.[1] ?? name;
  return others.length === 0 ? [] : [{ title: 'More', pages: others.map((name) => page(heading(name), name.slice(0, -3))) }];
}

/** As typedoc-plugin-markdown names the pages it wrote; none before the first build. */
export function apiSidebar() {
  const path = new URL('pages/api/typedoc-sidebar.json', import.meta.url);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
}
