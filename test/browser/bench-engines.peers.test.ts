/** A page of `ingot bench` in a real browser, with a package in wllama's place that does as it does. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium } from './chromium.ts';

/** It counts a model's bytes, says whether threads can be had, and answers with 8 tokens in 4 pieces. */
const WLLAMA = `
export class Wllama {
  static getLibllamaVersion() { return 'b1'; }
  async loadModel([blob], { n_threads }) { this.size = blob.size; this.threads = n_threads; }
  getNumThreads() { return crossOriginIsolated ? this.threads : 1; }
  async createChatCompletion({ messages, max_tokens, ignore_eos }) {
    const size = this.size;
    return (async function* () {
      for (let i = 0; i < 4; i++) {
        await new Promise((done) => setTimeout(done, 20));
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
      // 6 tokens after the first two, in 3 pieces of 20 ms or more.
      const rate = await open.decode!([1, 2, 3], 7);
      expect(rate).toBeGreaterThan(5);
      expect(rate).toBeLessThan(105);
      const [first] = await open.converse!({ turns: [[1, 2, 3]], answerTokens: 8, reusesPrefix: true });
      expect(first!.firstMs).toBeGreaterThan(15);
    } finally {
      await open.close();
    }
  });
}, 60_000);
