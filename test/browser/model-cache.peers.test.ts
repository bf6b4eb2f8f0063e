/** The cache of models in the private file system, in Chromium. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { repoRoot } from '../house/repository.ts';
import { hasChromium, launchWithProfile } from './chromium.ts';
import type { Browser, Page } from './chromium.ts';
import { serveHubSite, sha256 } from './hub-site.ts';
import type { HubSite } from './hub-site.ts';

/** Moments at which a tab is killed: 50 by INGOT_KILLS=50. */
const KILLS = Number(process.env['INGOT_KILLS'] ?? 6);
const ID = 'o/ember:Q4_0';
const ANSWER = 'A hen lives in a coop.';

function call(page: Page, name: string, ...args: unknown[]): Promise<any> {
  return page.evaluate(
    `import('/test/browser/in-page.mjs').then((module) => module[${JSON.stringify(name)}](...${JSON.stringify(args)}))`,
  );
}

describe.skipIf(!hasChromium)('the cache of models in Chromium', () => {
  let site: HubSite;
  let browser: Browser;
  const profile = mkdtempSync(join(tmpdir(), 'ingot-profile-'));
  const ember = new Uint8Array(readFileSync(bundledModelPath()));

  beforeAll(async () => {
    execFileSync(process.execPath, [join(repoRoot, 'scripts', 'build.mjs')], { stdio: 'pipe' });
    const repositories = { 'o/ember': { 'ember-Q4_0.gguf': ember } };
    [site, browser] = await Promise.all([serveHubSite(repositories), launchWithProfile(profile)]);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
    rmSync(profile, { recursive: true, force: true });
  });

  const open = async (): Promise<Page> => {
    const page = await browser.newPage();
    await page.goto(site.origin);
    return page;
  };
  const load = (page: Page, options: object = {}) => call(page, 'loadKept', ID, { hub: { endpoint: `${site.origin}/hub` }, ...options });

  it('fetches a model of the hub once, for two tabs, and gives it by its hash', async () => {
    const [one, two] = [await open(), await open()];
    site.paceMs = 5;
    const answers = await Promise.all([load(one), load(two)]);
    site.paceMs = 0;
    expect(answers.map(({ text }) => text)).toEqual([ANSWER, ANSWER]);
    expect(answers.flatMap(({ notes }) => notes)).toContainEqual(expect.stringContaining('another tab is at it'));
    expect(answers[0].phases).toEqual(['download', 'load']);
    const ranges = site.requests.filter((each) => each.startsWith('ember'));
    expect(new Set(ranges).size).toBe(ranges.length);
    const asked = site.requests.length;
    expect((await load(one)).text).toBe(ANSWER);
    expect(site.requests.length).toBe(asked);
    const list = await call(two, 'cacheList');
    expect(list).toEqual([{ id: ID, sizeBytes: ember.length, presentBytes: ember.length, isWhole: true }]);
    expect(await call(two, 'blobHashes')).toEqual([[sha256(ember), sha256(ember)]]);
    const { used, quota, persisted } = await call(one, 'cacheUsage');
    expect([used > ember.length, quota > used, persisted]).toEqual([true, true, false]);
    expect(await call(one, 'removeWhileLoading', ID, { hub: { endpoint: `${site.origin}/hub` } })).toMatch(
      /^CapacityError: o\/ember:Q4_0 is being loaded/,
    );
    expect(await call(one, 'cacheRemove', ID)).toBe(ember.length);
    expect(await call(two, 'cacheList')).toEqual([]);
    expect(await call(two, 'blobHashes')).toEqual([]);
    expect(await call(one, 'cacheRemove', ID)).toBe('InputError: o/ember:Q4_0 is not in the cache.');
    await Promise.all([one.close(), two.close()]);
  });

  it('keeps files of URLs, asks whether they changed, and works without their server', async () => {
    const page = await open();
    const url = `${site.origin}/hub/o/ember/resolve/${'0'.repeat(40)}/ember-Q4_0.gguf`;
    expect((await call(page, 'loadKept', url, {})).text).toBe(ANSWER);
    site.requests.length = 0;
    expect((await call(page, 'loadKept', url, {})).text).toBe(ANSWER);
    expect(site.requests).toEqual(['ember-Q4_0.gguf bytes=0-0']);
    expect(await call(page, 'cacheList')).toEqual([{ id: url, sizeBytes: ember.length, presentBytes: ember.length, isWhole: true }]);
    site.isDown = true;
    const { text, notes } = await call(page, 'loadKept', url, {});
    site.isDown = false;
    expect([text, notes]).toEqual([ANSWER, [expect.stringMatching(/The copy of \d{4}-\d\d-\d\d is used\.$/)]]);
    expect(await call(page, 'cacheEvict', { olderThanDays: 1 })).toEqual([]);
    expect(await call(page, 'cacheEvict', { olderThanDays: 0 })).toEqual([url]);
    expect(await call(page, 'blobHashes')).toEqual([]);
    await page.close();
  });

  it('goes on with what an aborted download brought, and refuses wrong bytes', async () => {
    const page = await open();
    site.paceMs = 20;
    site.requests.length = 0;
    const aborted = await load(page, { abortAfterBytes: 1 });
    expect(aborted.error).toBe('Error: enough');
    site.paceMs = 0;
    expect(await call(page, 'cacheList')).toEqual([expect.objectContaining({ id: ID, isWhole: false })]);
    site.requests.length = 0;
    expect((await load(page)).text).toBe(ANSWER);
    // One of its two pieces was there, and the file's head is asked for anew.
    expect(site.requests.filter((each) => each.startsWith('ember')).length).toBeLessThan(3);
    await call(page, 'cacheRemove', ID);
    site.repositories['o/other'] = { 'other-Q4_0.gguf': ember };
    site.told['other-Q4_0.gguf'] = sha256(ember.subarray(1));
    const wrong = await call(page, 'loadKept', 'o/other', { hub: { endpoint: `${site.origin}/hub` } });
    expect(wrong.error).toMatch(/^FormatError: .*do not have the hash/);
    await call(page, 'cacheEvict', { olderThanDays: 0 });
    expect(await call(page, 'blobHashes')).toEqual([]);
    await page.close();
  });

  it('opens after a tab was killed at any moment of a download', { tags: ['slow'], timeout: 600_000 }, async () => {
    let wholes = 0;
    site.paceMs = 12;
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = await open();
      await killAfter(victim, 100 + 1400 * (((kill * 37) % KILLS) / KILLS), () => load(victim));
      const page = await open();
      const list = await call(page, 'cacheList');
      expect(list.length, `kill ${kill}`).toBeLessThan(2);
      for (const [name, hash] of await call(page, 'blobHashes'))
        if (!/\.(part|pieces)$/.test(name)) expect(hash, `kill ${kill}`).toBe(name);
      // Some go on from what several ended tabs left.
      if (list[0]?.isWhole === true || kill % 3 === 2 || kill === KILLS - 1) {
        expect((await load(page)).text, `kill ${kill}`).toBe(ANSWER);
        expect((await call(page, 'cacheList'))[0]).toMatchObject({ isWhole: true });
        await call(page, 'cacheRemove', ID);
        expect(await call(page, 'blobHashes'), `kill ${kill}`).toEqual([]);
        wholes++;
      }
      await page.close();
    }
    site.paceMs = 0;
    expect(wholes).toBeGreaterThan(0);
  });
});

/** Ends a page's process, as the system does when memory is short. */
async function killAfter(page: Page, ms: number, work: () => Promise<unknown>): Promise<void> {
  const session = await (page as any).context().newCDPSession(page);
  void work().catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, ms));
  const crashed = new Promise((resolve) => (page as any).once('crash', resolve));
  void session.send('Page.crash').catch(() => {});
  await crashed;
  await page.close();
}
