/** The cache of models in the private file system, in Chromium. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PIECE_BYTES } from '../../src/files/hub/download-blob.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { repoRoot } from '../house/repository.ts';
import { splitGguf } from '../split-gguf.ts';
import { callInPage as call, hasChromium, launchWithProfile } from './chromium.ts';
import type { Browser, Page } from './chromium.ts';
import { serveHubSite, sha256 } from './hub-site.ts';
import type { HubSite } from './hub-site.ts';

/** Moments at which a tab is killed: 50 by INGOT_KILLS=50. */
const KILLS = Number(process.env['INGOT_KILLS'] ?? 6);
const ID = 'o/ember:Q4_0';
const ANSWER = 'A hen lives in a coop.';
const NEVER = new Promise<never>(() => {});
/** A download that goes on looks at the file by one byte; the first of its pieces. */
const LOOK = 'bytes=0-0';
const FIRST_PIECE = `bytes=1-${PIECE_BYTES - 1}`;

/** But for the first bytes, by which a file is looked at. */
const isOfFirstPiece = (start: number) => start > 0 && start < PIECE_BYTES;

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
    // No byte comes before one waits for the other.
    const notes = async () => (await Promise.all([one, two].map((page) => page.evaluate('globalThis.notesOfLoad ?? []')))).flat();
    const isWaiting = (async () => expect.poll(notes).toContainEqual(expect.stringContaining('another tab is at it')))();
    site.hold = () => isWaiting;
    const answers = await Promise.all([load(one), load(two)]);
    site.hold = undefined;
    await isWaiting;
    expect(answers.map(({ text }) => text)).toEqual([ANSWER, ANSWER]);
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
    // The last piece comes, and the one before it never does.
    site.hold = (_, start) => (isOfFirstPiece(start) ? NEVER : undefined);
    const aborted = await load(page, { abortAfterBytes: 1 });
    expect(aborted.error).toBe('Error: enough');
    site.hold = undefined;
    expect(await call(page, 'cacheList')).toEqual([expect.objectContaining({ id: ID, isWhole: false })]);
    site.requests.length = 0;
    expect((await load(page)).text).toBe(ANSWER);
    expect(site.requests.slice(1)).toEqual([`ember-Q4_0.gguf ${LOOK}`, `ember-Q4_0.gguf ${FIRST_PIECE}`]);
    await call(page, 'cacheRemove', ID);
    site.repositories['o/other'] = { 'other-Q4_0.gguf': ember };
    site.told['other-Q4_0.gguf'] = sha256(ember.subarray(1));
    const wrong = await call(page, 'loadKept', 'o/other', { hub: { endpoint: `${site.origin}/hub` } });
    expect(wrong.error).toMatch(/^FormatError: .*do not have the hash/);
    await call(page, 'cacheEvict', { olderThanDays: 0 });
    expect(await call(page, 'blobHashes')).toEqual([]);
    await page.close();
  });

  it('goes on with a model of two parts after its tab was killed in the second, and fetches nothing twice', async () => {
    const [first, second] = await splitGguf(ember, 1e6);
    const names = ['ember-Q4_0-00001-of-00002.gguf', 'ember-Q4_0-00002-of-00002.gguf'] as const;
    site.repositories['o/split'] = { [names[0]]: first, [names[1]]: second };
    const asked = { hub: { endpoint: `${site.origin}/hub` } };
    // Of the second part the last piece comes, and the one before it never does.
    site.hold = (file, start) => (file === names[1] && isOfFirstPiece(start) ? NEVER : undefined);
    const victim = await open();
    void call(victim, 'loadKept', 'o/split', asked).catch(() => {});
    await expect.poll(() => call(victim, 'notedPieces', sha256(second))).toBe(1);
    await endTab(victim);
    [site.hold, site.requests.length] = [undefined, 0];
    const page = await open();
    const half = { isWhole: false, presentBytes: first.length, sizeBytes: first.length + second.length };
    expect(await call(page, 'cacheList')).toMatchObject([half]);
    const wholes = (await call(page, 'blobHashes')).filter(([name]: [string]) => !/\.(part|pieces)$/.test(name));
    expect(wholes).toEqual([[sha256(first), sha256(first)]]);
    expect((await call(page, 'loadKept', 'o/split', asked)).text).toBe(ANSWER);
    expect(site.requests).toEqual(['revision', `${names[1]} ${LOOK}`, `${names[1]} ${FIRST_PIECE}`]);
    expect(await call(page, 'cacheList')).toMatchObject([{ isWhole: true }]);
    await call(page, 'cacheEvict', { olderThanDays: 0 });
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

async function killAfter(page: Page, ms: number, work: () => Promise<unknown>): Promise<void> {
  void work().catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, ms));
  await endTab(page);
}

/** Ends a page's process, as the system does when memory is short. */
async function endTab(page: Page): Promise<void> {
  const session = await (page as any).context().newCDPSession(page);
  const crashed = new Promise((resolve) => (page as any).once('crash', resolve));
  void session.send('Page.crash').catch(() => {});
  await crashed;
  await page.close();
}
