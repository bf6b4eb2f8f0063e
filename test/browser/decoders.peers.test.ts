/** The decoders of images and of compressed sound in a page, bundled as an app has them: the same pixels and samples as in Node. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAudio } from '../../src/audio/open-audio.ts';
import { memorySource } from '../../src/files/memory-source.ts';
import { repoRoot } from '../house/repository.ts';
import type { TestServer } from '../http-server.ts';
import { hasChromium, launchChromium } from './chromium.ts';
import type { Browser, Page } from './chromium.ts';
import { serveStatic } from './isolated-server.ts';

const require = createRequire(import.meta.url);
const fixtures = join(repoRoot, 'test', 'fixtures');
const SOUNDS = ['mono.mp3', 'mono.flac', 'mono-opus.ogg', 'mono-vorbis.ogg'];
const IMAGES = ['palette.png', 'baseline.jpg', 'clear.gif', 'lossy-alpha.webp'];
interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly rgba: string;
}
const expected = JSON.parse(gunzipSync(readFileSync(join(fixtures, 'images', 'expected.json.gz'))).toString()) as {
  readonly files: Readonly<Record<string, Pixels>>;
};

async function samplesInNode(name: string): Promise<readonly number[]> {
  const stream = await openAudio(memorySource(new Uint8Array(readFileSync(join(fixtures, 'sounds', name))), name));
  const samples: number[] = [];
  for await (const chunk of stream.chunks) samples.push(...chunk);
  return samples;
}

describe.skipIf(!hasChromium)('decoders in Chromium', { tags: ['slow'] }, () => {
  let server: TestServer;
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    const bundle = await rolldown({ input: join(repoRoot, 'dist', 'browser', 'index.js'), platform: 'browser' });
    const { output } = await bundle.generate({ format: 'esm', codeSplitting: false });
    const served: Readonly<Record<string, () => string | Buffer>> = {
      '/bundle/index.js': () => output[0].code,
      '/raster.wasm': () => readFileSync(require.resolve('@cf-wasm/photon/photon.wasm')),
      '/webp.wasm': () => readFileSync(require.resolve('@cwasm/webp/webp.wasm')),
    };
    server = await serveStatic({}, (request, response) => {
      const body = served[request.url ?? ''];
      const type = request.url?.endsWith('.js') ? 'text/javascript' : 'application/wasm';
      if (body !== undefined) response.setHeader('Content-Type', type).end(body());
      return body !== undefined;
    });
    browser = await launchChromium();
    page = await browser.newPage();
    await page.goto(server.origin);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  it.each(SOUNDS)('%s', async (name) => {
    const found = await page.evaluate(`import('/bundle/index.js').then(async ({ openAudio, memorySource }) => {
      const bytes = new Uint8Array(await (await fetch('/test/fixtures/sounds/${name}')).arrayBuffer());
      const stream = await openAudio(memorySource(bytes, '${name}'));
      const samples = [];
      for await (const chunk of stream.chunks) samples.push(...chunk);
      return samples;
    })`);
    expect(found).toEqual(await samplesInNode(name));
  });

  it.each(IMAGES)('%s', async (name) => {
    const { width, height, rgba } = expected.files[name]!;
    const found = (await page.evaluate(`import('/bundle/index.js').then(async ({ fetchImageDecoder }) => {
      const bytes = new Uint8Array(await (await fetch('/test/fixtures/images/${name}')).arrayBuffer());
      const image = await fetchImageDecoder({ raster: '/raster.wasm', webp: '/webp.wasm' }).decode(bytes);
      return { width: image.width, height: image.height, data: [...image.data] };
    })`)) as { width: number; height: number; data: number[] };
    expect([found.width, found.height]).toEqual([width, height]);
    const wanted = Buffer.from(rgba, 'base64');
    // Decoders of JPEG may round otherwise than the one that made these.
    const most = Math.max(...found.data.map((value, i) => Math.abs(value - wanted[i]!)));
    expect(most).toBeLessThanOrEqual(name.endsWith('.jpg') ? 3 : 0);
  });
});
