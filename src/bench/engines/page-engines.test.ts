/** transformers.js by a package that does as it does, and what is said where engines' packages or weights are not there. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { EngineSettings } from '../engine.ts';
import { engineNamed } from './engine-named.ts';
import { timedAnswer } from './page-answer.ts';

/** As much of the library as is called: it gives its streamer the prompt, then a token every 5 ms of the clock that the test has. */
const LIBRARY = `
export const env = {};
export class Tensor { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } }
export const AutoModelForCausalLM = {
  async from_pretrained(folder, options) {
    if (env.allowRemoteModels !== false || options.local_files_only !== true) throw new Error('it may fetch');
    globalThis.asked = [];
    return {
      async generate({ input_ids, attention_mask, max_new_tokens, min_new_tokens, do_sample, streamer }) {
        if (max_new_tokens !== min_new_tokens || do_sample) throw new Error('it may end, or sample');
        if (attention_mask.data.length !== input_ids.data.length) throw new Error('the mask is of another prompt');
        globalThis.asked.push([...input_ids.data].map(Number));
        streamer.put([[...input_ids.data]]);
        for (let i = 0; i < max_new_tokens; i++) { globalThis.clockMs += 5; streamer.put([[7n]]); }
        streamer.end();
      },
      async dispose() {},
    };
  },
};
`;

describe('transformers.js', () => {
  let folder = '';
  const engine = engineNamed('transformers.js');
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-packages-'));
    const home = join(folder, 'node_modules', '@huggingface', 'transformers');
    mkdirSync(home, { recursive: true });
    mkdirSync(join(folder, 'weights', 'onnx'), { recursive: true });
    mkdirSync(join(folder, 'empty'));
    const about = { name: '@huggingface/transformers', version: '4.0.0', type: 'module', exports: './index.js' };
    writeFileSync(join(home, 'package.json'), JSON.stringify(about));
    writeFileSync(join(home, 'index.js'), LIBRARY);
    for (const name of ['model.onnx', 'model_q4.onnx']) writeFileSync(join(folder, 'weights', 'onnx', name), '');
  });
  afterEach(() => void vi.restoreAllMocks());
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const entry = (weights: string) => ({ modelPath: 'm.gguf', modelName: join(folder, weights), packages: folder });

  it('says what is missing', () => {
    expect(engine.problem({ modelPath: 'm.gguf', packages: folder })).toContain('which folder has the ONNX files');
    expect(engine.problem(entry('empty'))).toMatch(/no ONNX files in .*empty: expected onnx\/model_q4f16\.onnx or/);
    expect(engine.problem(entry('weights'))).toBeUndefined();
  });

  it('is given the same ids, and its tokens are timed as they come', async () => {
    const settings: EngineSettings = { ...entry('weights'), device: 'cpu', contextLength: 64, purpose: 'tokens' };
    const open = await engine.open(settings);
    (globalThis as any).clockMs = 1000;
    vi.spyOn(performance, 'now').mockImplementation(() => (globalThis as any).clockMs);
    expect(open.facts).toMatchObject({ version: '4.0.0', device: 'onnxruntime (cpu)', flags: { dtype: 'q4' } });
    expect(await open.decode!([5, 6, 7], 10)).toBe(200);
    expect((globalThis as any).asked).toEqual([[7, 6, 5], [5, 6, 7]]);
    expect(await open.firstToken!([1, 2])).toBe(5);
  });
});

describe('engines in a page', () => {
  it.each([
    ['wllama', '@wllama/wllama'],
    ['web-llm', '@mlc-ai/web-llm'],
  ])('%s is said not to be installed where it is not', (name, packageName) => {
    const problem = engineNamed(name).problem({ modelPath: 'm.gguf', modelName: 'x', packages: 'no-such-folder' });
    expect(problem).toBe(`the npm package ${packageName} is not installed: run "npm install ${packageName}" in no-such-folder`);
  });

  it('tell of pieces, of tokens by what the library counts, and of what a cache had', async () => {
    async function* chunks() {
      yield { choices: [{ delta: { content: null } }] };
      for (const content of ['one ', 'two ', 'three']) yield { choices: [{ delta: { content } }] };
      yield { choices: [{ delta: {}, finish_reason: 'stop' }], timings: { cache_n: 4, prompt_n: 12, predicted_n: 7 } };
    }
    const answer: any = await timedAnswer(chunks(), performance.now());
    expect(answer).toMatchObject({ text: 'one two three', tokens: 7, promptTokens: 16, cachedTokens: 4, hasEnded: true });
    expect(answer.arrivals.map(({ tokens }: { tokens: number }) => tokens)).toEqual([2, 2, 3]);
  });
});
