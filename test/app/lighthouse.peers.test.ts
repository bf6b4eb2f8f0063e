/** Lighthouse's own judgement of the page (`peers/tools` has it), as of a phone. Of a desktop it was looked at once (docs/app.md). */
import { existsSync } from 'node:fs';
import { createServer as createSocketServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listen } from '../../src/cli/serve/listen.ts';
import type { Listener } from '../../src/cli/serve/listen.ts';
import { appFiles } from '../../src/node/app-files.ts';
import { createServer } from '../../src/server/create-server.ts';
import { hasChromium, launchChromium } from '../browser/chromium.ts';
import type { Browser } from '../browser/chromium.ts';
import { repoRoot } from '../house/repository.ts';
import { scriptedModel } from './scripted-model.ts';

const path = join(repoRoot, 'peers', 'tools', 'node_modules', 'lighthouse', 'core', 'index.js');
const LEAST = 0.95;

/** A port that nothing listens at. */
async function freePort(): Promise<number> {
  const probe = createSocketServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

describe.skipIf(!hasChromium || !existsSync(path))('Lighthouse', { tags: ['slow'] }, () => {
  let listener: Listener;
  let browser: Browser;
  let port = 0;
  beforeAll(async () => {
    const { model } = await scriptedModel(() => ({ text: 'Hello.' }));
    const server = createServer({ models: { scripted: model }, app: appFiles() });
    listener = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch });
    port = await freePort();
    browser = await launchChromium([`--remote-debugging-port=${port}`]);
  });
  afterAll(async () => {
    await browser?.close();
    listener?.destroy();
    await listener?.close();
  });

  it('finds accessibility and best practices at least at 95', { timeout: 120_000 }, async () => {
    const { default: lighthouse } = await import(/* @vite-ignore */ pathToFileURL(path).href);
    const onlyCategories = ['accessibility', 'best-practices'];
    const { lhr } = await lighthouse(`${listener.origin}/`, { port, onlyCategories, output: 'json', logLevel: 'error' });
    const short = Object.values<any>(lhr.audits)
      .filter(({ score }) => score !== null && score < 1)
      .map(({ id }) => id);
    const scores = Object.fromEntries(Object.values<any>(lhr.categories).map(({ id, score }) => [id, score]));
    process.stdout.write(
      `Lighthouse ${lhr.lighthouseVersion}: ${JSON.stringify(scores)}; short of it: ${short.join(', ') || 'nothing'}\n`,
    );
    expect(scores['accessibility'], short.join()).toBeGreaterThanOrEqual(LEAST);
    expect(scores['best-practices'], short.join()).toBeGreaterThanOrEqual(LEAST);
  });
});
