/** Lighthouse's own judgement of the page (`peers/tools` has it), as of a phone. Of a desktop it was looked at once (docs/app.md). */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { listen } from '../../src/cli/serve/listen.ts';
import type { Listener } from '../../src/cli/serve/listen.ts';
import { appFiles } from '../../src/node/app-files.ts';
import { createServer } from '../../src/server/create-server.ts';
import { hasChromium, launchWithProfile } from '../browser/chromium.ts';
import type { Browser } from '../browser/chromium.ts';
import { repoRoot } from '../house/repository.ts';
import { scriptedModel } from './scripted-model.ts';

const path = join(repoRoot, 'peers', 'tools', 'node_modules', 'lighthouse', 'core', 'index.js');
const LEAST = 0.95;

/** The port that a browser took for those who steer it: it writes it into its profile. */
const portOf = (profile: string) => Number(readFileSync(join(profile, 'DevToolsActivePort'), 'utf8').split('\n')[0]);

describe.skipIf(!hasChromium || !existsSync(path))('Lighthouse', { tags: ['slow'] }, () => {
  let listener: Listener;
  let browser: Browser;
  const profile = mkdtempSync(join(tmpdir(), 'ingot-lighthouse-'));
  beforeAll(async () => {
    const { model } = await scriptedModel(() => ({ text: 'Hello.' }));
    const server = createServer({ models: { scripted: model }, app: appFiles() });
    listener = await listen({ host: '127.0.0.1', port: 0, fetch: server.fetch });
    browser = await launchWithProfile(profile, ['--remote-debugging-port=0']);
  });
  afterAll(async () => {
    await browser?.close();
    listener?.destroy();
    await listener?.close();
    rmSync(profile, { recursive: true, force: true });
  });

  it('finds accessibility and best practices at least at 95', async () => {
    const { default: lighthouse } = await import(/* @vite-ignore */ pathToFileURL(path).href);
    const onlyCategories = ['accessibility', 'best-practices'];
    const port = await vi.waitFor(() => portOf(profile));
    const patience = { maxWaitForFcp: 100_000, maxWaitForLoad: 100_000 };
    const { lhr } = await lighthouse(`${listener.origin}/`, { port, onlyCategories, output: 'json', logLevel: 'error', ...patience });
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
