// Pictures of a report for the docs: node bench/report-pictures.mjs RESULTS... [--out site/pictures] (default: what bench/results/ has
// of the race on an H200 and of ember's quantisations). A desk's width in light, a phone's in dark, as WebP, both together under 150 kB.
// Needs dist/ and the Chromium of peers/.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { repoRoot } from './measurement.mjs';

const MOST_BYTES = 150_000;
const SHOWN = ['race-gpu.jsonl', 'race-gpu-rest.jsonl', 'quality.jsonl'].map((name) => join(repoRoot, 'bench', 'results', name));
/** Of the phone's only what a screen or two hold; of both, plots that say most. */
const VIEWS = [
  { name: 'report-desk', width: 1000, height: 1000, colorScheme: 'light', from: 'decode-128-after-128' },
  { name: 'report-phone', width: 390, height: 800, colorScheme: 'dark', from: 'size-divergence-from-the-reference' },
];

const { values: { out }, positionals } = parseArgs({
  allowPositionals: true, options: { out: { type: 'string', default: join(repoRoot, 'site', 'pictures') } },
});
const peers = join(repoRoot, 'peers', 'node_modules');
const load = (...path) => import(pathToFileURL(join(peers, ...path)).href);
const { default: archive } = await load('@sparticuz', 'chromium', 'build', 'esm', 'index.js');
const { chromium } = await load('playwright-core', 'index.mjs');

const folder = mkdtempSync(join(tmpdir(), 'ingot-pictures-'));
const report = join(folder, 'report.html');
const cli = join(repoRoot, 'dist', 'cli', 'main.js');
execFileSync(process.execPath, [cli, 'bench', 'report', ...(positionals.length > 0 ? positionals : SHOWN), '-o', report]);
const browser = await chromium.launch({ executablePath: await archive.executablePath(), args: ['--no-sandbox'], headless: true });
let all = 0;
try {
  for (const { name, width, height, colorScheme, from } of VIEWS) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    await page.goto(pathToFileURL(report).href);
    await page.locator('#configurations td').first().waitFor();
    const start = await page.evaluate(`(document.getElementById('${from}') ?? document.body).offsetTop - 120`);
    await page.evaluate(`scrollTo(0, ${Math.max(0, start)})`);
    const png = await page.screenshot();
    const webp = await page.evaluate(toWebp, png.toString('base64'));
    const bytes = Buffer.from(webp, 'base64');
    writeFileSync(join(out, `${name}.webp`), bytes);
    all += bytes.length;
    console.log(`${name}.webp: ${width} x ${height}, ${bytes.length} bytes`);
    await page.close();
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
if (all > MOST_BYTES) throw new Error(`${all} bytes of pictures: at most ${MOST_BYTES} are kept`);

/** Runs in the page, which has no word of where its pictures go. */
async function toWebp(png) {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext('2d').drawImage(image, 0, 0);
  return canvas.toDataURL('image/webp', 0.7).split(',')[1];
}
