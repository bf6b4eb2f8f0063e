/** A page of `ingot bench` in a real browser, with a package in wllama's place that does as it does. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from './chromium.ts';

/**
 * It counts a model's bytes, says whether threads can be had, and answers with 8 tokens in 4 pieces, each after 20 ms. It moves the page's
 * clock, so that a page that comes late to a piece takes no other time.
 */
const WLLAMA = `
let clockMs = 1000;
performance.now = () => clockMs;
export class Wllama {
  static getLibllamaVersion() { return 'b1'; }
  async loadModel([blob], { n_threads }) { this.size = blob.size; this.threads = n_threads; }
  getNumThreads() { return crossOriginIsolated ? this.threads : 1; }
  async createChatCompletion({ messages, max_tokens, ignore_eos }) {
    const size = this.size;
    return (async function* () {
      for (let i = 0; i < 4; i++) {
        clockMs += 20;
        yield { choices: [{ delta: { content: size + ' bytes, ' + messages.at(-1).content.split(' ').length + ' words. ' } }] };
      }
      yield { choices: [{ delta: {}, finish_reason: ignore_eos ? 'length' : 'stop' }], timings: { prompt_n: 10, predicted_n: 8 } };
    })();
  }
}
`;

describe.skipIf(!hasChromium)('an engine in a page', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-page-'));
    const home = join(folder, 'node_modules', '@wllama', 'wllama');
    mkdirSync(join(home, 'esm'), { recursive: true });
    writeFileSync(join(home, 'package.json'), '{"name":"@wllama/wllama","version":"9.9.9"}');
    writeFileSync(join(home, 'esm', 'index.js'), WLLAMA);
    writeFileSync(join(folder, 'm.gguf'), 'x'.repeat(1234));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('has the model, threads and a clock of its own', async () => {
    const { engineNamed } = (await import(new URL('../../dist/bench/engines/engine-named.js', import.meta.url).href)) as
      typeof import('../../src/bench/engines/engine-named.ts');
    const engine = engineNamed('wllama');
    const entry = { modelPath: join(folder, 'm.gguf'), packages: folder };
    expect(engine.problem(entry)).toBeUndefined();
    const open = await engine.open({ ...entry, device: 'cpu', threads: 2, contextLength: 64, purpose: 'tokens' });
    try {
      expect(open.facts).toMatchObject({
        version: expect.stringMatching(/^9\.9\.9 in Chromium \d+/), device: 'page (WebAssembly, 2 threads)',
        flags: { prompts: 'words', llamaCpp: 'b1', contextLength: 320 },
      });
      // 6 tokens after the first two, in 3 pieces.
      expect(await open.decode!([1, 2, 3], 7)).toBe(100);
      const [first] = await open.converse!({ turns: [[1, 2, 3]], answerTokens: 8, reusesPrefix: true });
      expect(first).toEqual({ firstMs: 20, tokensPerSecond: 100 });
    } finally {
      await open.close();
    }
  });
}, 120_000);

describe.skipIf(!hasChromium)('Ingot in a page', () => {
  it('answers token ids, without threads where the page is not isolated', async () => {
    const { engineNamed } = (await import(new URL('../../dist/bench/engines/engine-named.js', import.meta.url).href)) as
      typeof import('../../src/bench/engines/engine-named.ts');
    const modelPath = fileURLToPath(new URL('../../models/ember-21m-q4_0.gguf', import.meta.url));
    const settings = { modelPath, device: 'cpu', contextLength: 64, kvType: 'q8', purpose: 'tokens', isIsolated: false } as const;
    const open = await engineNamed('ingot-page').open(settings);
    try {
      expect(open.facts.device).toMatch(/^page \(cpu \(1 thread,/);
      // As the page and the model in it say.
      expect(open.facts.flags).toEqual({ prompts: 'ids', isolated: false, contextLength: 320, kv: 'q8' });
      // A rate of decoding is refused where a busy page took all pieces at once: of a real page only what any time allows is asked.
      expect(await open.firstToken!([301, 302, 303, 304])).toBeGreaterThan(0);
      expect(await open.prefill!([301, 302, 303, 304])).toBeGreaterThan(0);
    } finally {
      await open.close();
    }
  });
}, 120_000);
