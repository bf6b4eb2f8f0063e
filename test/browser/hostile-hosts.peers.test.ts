/** Hosts that do not do as they should, and a disk without room, in Chromium: what is said, and that nothing that was kept is lost. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { repoRoot } from '../house/repository.ts';
import { callInPage, hasChromium, launchWithProfile } from './chromium.ts';
import type { Browser, Page } from './chromium.ts';
import { serveHostileSite } from './hostile-site.ts';
import type { HostileSite } from './hostile-site.ts';
import { renderersMegabytes } from './renderers-memory.ts';

const ANSWER = 'A hen lives in a coop.';
/** Of the page's processes while more than 80 MB come: a few buffers, and what the collector has not taken yet. */
const MOST_GROWTH_MB = 60;
const SMALL = { device: 'cpu', threads: 1 };

/** By host: what a caller is told of a model there. */
const WORDS: Readonly<Record<string, RegExp>> = {
  'part-of-nothing': /^InputError: .*expected a header "Content-Range.*Access-Control-Expose-Headers/,
  'other-part': /^InputError: .*asked for 65536 bytes at 0, the server answered with those from 1 to 65536/,
  login: /^FormatError: .*a page of HTML in place of the file/,
  'login-as-model': /^FormatError: .*a page of HTML in place of the file/,
  'breaks-off': /^FormatError: .*cut short: expected the bytes from 0 to .* 5 times in a row.*try again later/,
  'breaks-off-whole': /^FormatError: .*cut short after \d+ of \d+ bytes, 5 times in a row/,
  'says-too-little': /^FormatError: .*cut short/,
  'gives-too-much': /^FormatError: .*sent more than the bytes from 0 to/,
  vast: /^CapacityError: .*still takes 100 TB, and the browser gives this page/,
  elsewhere: /^InputError: .*the connection failed.*Access-Control-Allow-Origin/,
};

describe.skipIf(!hasChromium)('hosts that do not do as they should, in Chromium', () => {
  let site: HostileSite;
  let browser: Browser;
  let page: Page;
  const profile = mkdtempSync(join(tmpdir(), 'ingot-hostile-'));
  const ember = new Uint8Array(readFileSync(bundledModelPath()));

  beforeAll(async () => {
    execFileSync(process.execPath, [join(repoRoot, 'scripts', 'build.mjs')], { stdio: 'pipe' });
    [site, browser] = await Promise.all([serveHostileSite(ember), launchWithProfile(profile)]);
    page = await browser.newPage();
    await page.goto(site.origin);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
    rmSync(profile, { recursive: true, force: true });
  });

  const call = (name: string, ...args: unknown[]) => callInPage(page, name, ...args);
  const load = (host: string) => call('loadKept', site.url(host), { threads: 1 });
  const listed = async () => (await call('cacheList')).map(({ id, isWhole }: { id: string; isWhole: boolean }) => [id, isWhole]);

  /** What the browser gives this page's origin, for as long as the page is open. */
  const giveRoom = async (quotaSize: number) => {
    session ??= await (page as any).context().newCDPSession(page);
    await session.send('Storage.overrideQuotaForOrigin', { origin: site.origin, quotaSize });
  };
  let session: any;

  it('a page that may keep 5 MB says so, and keeps nothing of it', async () => {
    await giveRoom(5e6);
    expect((await load('good')).error).toMatch(/^CapacityError: .*still takes 12\.0 MB, and the browser gives this page \d\.\d+ MB more/);
    expect(await call('blobHashes')).toEqual([]);
  });

  it("a file that never ends ends where the room does, in the page's memory too", async () => {
    await giveRoom(150e6);
    expect((await load('good')).text).toBe(ANSWER);
    const before = await renderersMegabytes(browser);
    expect((await load('endless')).error).toMatch(/^CapacityError: .*gives no more room for models.*what came stays/);
    // Of itself the collector takes its time.
    const growth = async () => {
      await session.send('HeapProfiler.collectGarbage');
      return (await renderersMegabytes(browser)) - before;
    };
    await expect.poll(growth, { interval: 500, timeout: 100_000 }).toBeLessThan(MOST_GROWTH_MB);
    // What was kept is there still, and is used where not a byte more may be.
    await giveRoom(5e6);
    expect((await load('good')).text).toBe(ANSWER);
    expect(await call('cacheRemove', site.url('endless'))).toBeGreaterThan(80e6);
    await giveRoom(1e9);
  });

  it('says what is wrong with each of them, and loses nothing that was kept', async () => {
    const hosts = Object.keys(WORDS);
    const found = await call(
      'failures',
      hosts.map((host) => [site.url(host), SMALL]),
    );
    expect(Object.fromEntries(hosts.map((host, index) => [host, found[index]]))).toEqual(
      Object.fromEntries(hosts.map((host) => [host, expect.stringMatching(WORDS[host]!)])),
    );
    const login = { hub: { endpoint: `${site.origin}/at/login` } };
    const [api, ranges] = await call('failures', [
      ['o/model', { ...SMALL, ...login }],
      [site.url('ignores-ranges'), { ...SMALL, cache: 'none' }],
    ]);
    expect(api).toMatch(/^FormatError: .*HTML/);
    expect(ranges).toMatch(/^InputError: .*does not support range requests/);
    expect((await listed()).filter(([, isWhole]: [string, boolean]) => isWhole)).toEqual([[site.url('good'), true]]);
    // A host that wants to be signed in to again has the copy used.
    site.instead['good'] = 'login';
    const { text, notes } = await load('good');
    expect([text, notes]).toEqual([ANSWER, [expect.stringMatching(/HTML.* The copy of \d{4}-\d\d-\d\d is used/)]]);
  });

  it('a host that sends all of a file, whatever is asked for, is told of, and its model answers', async () => {
    const { text, notes } = await load('ignores-ranges');
    expect([text, notes]).toEqual([ANSWER, [expect.stringContaining('the server gives no parts of files')]]);
  });
});
