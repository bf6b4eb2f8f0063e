/** The page of `ingot bench report` in a real browser, at the width of a desk and of a phone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishedPoints } from '../../src/bench/report/published-points.ts';
import { reportData } from '../../src/bench/report/report-data.ts';
import { reportPage } from '../../src/bench/report/report-page.ts';
import { resultRow } from '../result-row.ts';
import { hasChromium, launchChromium } from './chromium.ts';
import type { Browser } from './chromium.ts';

const row = (measure: string, runs: readonly number[], name: string) => resultRow(measure, runs, {
  engine: { name, version: '0.1.0', device: 'gpu (a GPU with a long name)' }, machine: { cpu: 'a processor', os: 'Linux' },
  flags: { batchSize: 512 }, model: { file: 'qwen3-0.6b-with-a-long-name.gguf', sizeBytes: 3e8, sha256: 'f00' },
  device: { kind: 'gpu', description: 'gpu', copyBytesPerSecond: 1e12, adapter: null },
  limit: measure.startsWith('prefill')
    ? { work: 'multiply-adds per token', perToken: 6e8, perSecond: 1, limitPerSecond: null, share: null }
    : { work: 'bytes per token', perToken: 4e8, perSecond: 1, limitPerSecond: 1e12, share: 0.4 },
});
const rows = ['ingot', 'llama.cpp'].flatMap((name, i) => [
  row('decode 128 after 128', [700 - 90 * i, 705 - 90 * i, 690 - 90 * i], name),
  row('decode 128 after 4096', [500, 505, 490], name),
  row('prefill 512', [9000, 9100, 8800, 8700, 8000, 7900], name),
  ...[1, 2, 3].map((turn) => row(`TTFT of turn ${turn}`, [20 + turn, 21 + turn], name)),
  row('decode 128 after 128, 4 cores busy', [300, 310], name),
  ...[60, 120, 180].map((end) => row(`drift at ${end} s, decode`, [600 - end - 50 * i], name)),
  ...['q8_0', 'q4_0', 'q2_k'].map((type, k) => ({
    ...row('perplexity', [20 + k * k], name), unit: 'perplexity' as const,
    model: { file: `qwen3-0.6b-with-a-long-name-${type}.gguf`, sizeBytes: 6e8 / (k + 1), sha256: type },
  })),
]);

describe.skipIf(!hasChromium)(
  'a report',
  () => {
    let browser: Browser;
    const folder = mkdtempSync(join(tmpdir(), 'ingot-report-'));
    beforeAll(async () => {
      browser = await launchChromium();
      const data = reportData(rows, ['a note'], publishedPoints(rows));
      writeFileSync(join(folder, 'report.html'), reportPage(data, { title: 'Report', subtitle: 'of a test' }));
    });
    afterAll(async () => {
      await browser?.close();
      rmSync(folder, { recursive: true });
    });

    it.each([
      ['a desk', 1200, 'light'],
      ['a phone', 360, 'dark'],
    ] as const)('draws every plot at the width of %s, without a word to anybody', async (_, width, colorScheme) => {
      const page: any = await (browser as any).newPage({ viewport: { width, height: 800 }, colorScheme });
      const heard: string[] = [];
      page.on('request', (request: any) => heard.push(request.url()));
      page.on('console', (message: any) => heard.push(message.text()));
      page.on('pageerror', (error: Error) => heard.push(error.message));
      const url = pathToFileURL(join(folder, 'report.html')).href;
      await page.goto(url);
      await page.locator('#configurations td').first().waitFor();
      expect(heard).toEqual([url]);
      const plots = await page.evaluate(
        `[...document.querySelectorAll('section')].map((one) => [one.id, one.querySelectorAll('.plot > svg, .plot > figure').length])`,
      );
      expect(plots).toEqual([
        ['decode-128-after-128', 1],
        ['decode-128-after-4096', 1],
        ['decode-128-after-128-4-cores-busy', 1],
        ['prefill-512', 1],
        ['decode-context', 1],
        ['turns', 1],
        ['drift-decode', 1],
        ['size-perplexity', 1],
        ['drift', 1],
        ['roofline', 1],
        ['figures', 0],
        ['configurations', 0],
      ]);
      // Nothing runs out of the page, nor any word out of its plot.
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      const cut = `[...document.querySelectorAll('.plot svg')].flatMap((svg) => [...svg.querySelectorAll('text')].filter((text) => {
      const [outer, inner] = [svg.getBoundingClientRect(), text.getBoundingClientRect()];
      return inner.width > 0 && (inner.left < outer.left - 1 || inner.right > outer.right + 1);
    }).map((text) => text.textContent))`;
      expect(await page.evaluate(cut)).toEqual([]);
      const download = page.waitForEvent('download');
      await page.locator('#decode-128-after-128').getByText('PNG', { exact: true }).click();
      expect((await download).suggestedFilename()).toBe('decode-128-after-128.png');
      const before = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      await page.locator('#theme').click();
      expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).not.toBe(before);
      if (process.env['INGOT_PICTURES'] !== undefined)
        await page.screenshot({ path: `${process.env['INGOT_PICTURES']}/report-${width}.png`, fullPage: true });
      await page.close();
    });
  },
);
