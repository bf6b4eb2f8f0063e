/** The report as one file that needs nothing else: data, style, the plotting library and what draws with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../node/package-root.ts';
import { CONFIGURATION_HEAD } from './report-data.ts';
import type { ReportData } from './report-data.ts';

const folder = join(packageRoot, 'dist', 'bench', 'report');

/** Observable Plot 0.6 with the D3 7 that it draws with: 490 kB of the page, copied into the package by scripts/build.mjs. */
const LIBRARIES = ['d3.min.js', 'plot.umd.min.js'] as const;

/** Ours, in the order in which they run; they import nothing. */
const SCRIPTS = ['report-plots.js', 'report-client.js'] as const;
const withoutMap = (text: string) => text.replace(/^\/\/# sourceMappingURL.*$/m, '');

const STYLE = `
:root { color-scheme: light dark;
  --ground: #f6f7f8; --card: #ffffff; --ink: #1d2126; --soft: #5b636c; --edge: #d8dce0; }
@media (prefers-color-scheme: dark) { :root:not([data-theme=other])
  { --ground: #0e1013; --card: #16191d; --ink: #e8eaed; --soft: #9aa3ad; --edge: #2c3137; } }
@media (prefers-color-scheme: light) { :root[data-theme=other]
  { --ground: #0e1013; --card: #16191d; --ink: #e8eaed; --soft: #9aa3ad; --edge: #2c3137; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
header, main { max-width: 60rem; margin: 0 auto; padding: 1rem; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: baseline; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 0; }
header p, .note { color: var(--soft); margin: 0; overflow-wrap: anywhere; }
header p { flex-basis: 100%; }
header button { margin-left: auto; }
section { background: var(--card); border: 1px solid var(--edge); border-radius: .6rem; padding: 1rem; margin: 0 0 1rem; }
.plot { margin: .5rem 0; overflow: hidden; }
.plot svg, .plot figure { display: block; max-width: 100%; margin: 0; }
.tools { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: .5rem; }
button { font: inherit; font-size: .85rem; padding: .2rem .7rem; border: 1px solid var(--edge); border-radius: .4rem;
  background: none; color: inherit; cursor: pointer; }
button:hover { border-color: var(--soft); }
:focus-visible { outline: 2px solid #0072b2; outline-offset: 2px; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 0 0 1rem; padding: 0; }
.legend li::before { content: ''; display: inline-block; width: .8em; height: .8em; margin-right: .45em; border-radius: 2px;
  background: var(--colour); }
.scroll { overflow-x: auto; margin-top: .5rem; }
table { border-collapse: collapse; font-size: .85rem; width: 100%; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--edge); vertical-align: top; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
#configurations td { white-space: normal; min-width: 7rem; }
`;

const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:";

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** Whatever a file of results says, it stays data: a script element ends at no word of it. */
const inScript = (text: string) => text.replaceAll('<', '\\u003c');
const asScript = (text: string) => text.replaceAll('</script', '<\\/script');

/**
 * @param title heads the page
 * @param subtitle says of what and when
 * @returns an HTML document
 */
export function reportPage(data: ReportData, { title, subtitle }: { readonly title: string; readonly subtitle: string }): string {
  const libraries = LIBRARIES.map((name) => `<script>${asScript(readFileSync(join(folder, name), 'utf8'))}</script>`).join('\n');
  const scripts = SCRIPTS.map((name) => `<script type="module">${asScript(withoutMap(readFileSync(join(folder, name), 'utf8')))}</script>`);
  const json = inScript(JSON.stringify({ ...data, configurationHead: CONFIGURATION_HEAD }));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${escaped(title)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header><h1>${escaped(title)}</h1><button type="button" id="theme">Light or dark</button><p>${escaped(subtitle)}</p></header>
<main></main>
<script type="application/json" id="data">${json}</script>
${libraries}
${scripts.join('\n')}
</body>
</html>
`;
}
