// The pages that scripts/docs.mjs laid out in site/pages. A link to a page that is not there fails the build.
import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';
import { apiSidebar, moreSection, sections } from '../sections.mjs';

const sidebar = [
  ...[...sections, ...moreSection()].map(({ title, pages }) => ({
    text: title, items: pages.map(({ text, page }) => ({ text, link: `/${page}` })),
  })),
  { text: 'API', collapsed: true, items: apiSidebar() },
];

export default defineConfig({
  title: 'Ingot',
  description: 'Large language models on the machine in front of you, from TypeScript, at the speed of the hardware.',
  head: [['style', {}, readFileSync(new URL('../pages.css', import.meta.url), 'utf8')]],
  srcDir: 'pages',
  outDir: 'dist',
  cleanUrls: false,
  // As GitHub makes anchors of headings, so that one link serves both.
  markdown: { anchor: { slugify: (text) => text.trim().toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-') } },
  themeConfig: {
    search: { provider: 'local' },
    sidebar,
    nav: [{ text: 'Start', link: '/start' }, { text: 'How it works', link: '/how-it-works' }, { text: 'API', link: '/api/README' }],
    outline: [2, 3],
  },
});
