import { mkdtempSync, readFileSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { f32Of, readFixtureTensors } from '../../test/fixture-tensors.ts';
import { goldenPath, goldenRuns, goldensOn, hasGolden, readGolden } from '../../test/goldens.ts';
import { requestedRange, sendPart, serveHttp } from '../../test/http-server.ts';
import type { Model } from '../engine/api.ts';
import { collect } from '../engine/collect.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import type { ProgressEvent } from '../tensor/progress.ts';
import { loadModel, openExecutor } from './load-model.ts';
import type { LoadModelOptions } from './load-model.ts';
import { relativeError } from '../../test/relative-error.ts';

async function withModel(path: string, options: LoadModelOptions, body: (model: Model) => Promise<void>): Promise<void> {
  const model = await loadModel(path, options);
  try {
    await body(model);
  } finally {
    await model.dispose();
  }
}

describe.each(['reference', 'cpu'] as const)('goldens on %s', (device) => {
  it.for(goldensOn(device))('%s: logits, hidden states and greedy tokens', async (name, { skip }) => {
    if (!hasGolden(name)) skip(`${name} is in ../shared/golden`);
    const path = goldenPath(name);
    const golden = readGolden(name);
    const tensors = readFixtureTensors(join(path, 'golden.safetensors'));
    const threads = device === 'cpu' ? 2 : undefined;
    for (const { contextLength, prompts } of goldenRuns(name)) await withModel(path, { device, threads, contextLength }, async (model) => {
      expect(model.info.hasTokenizer).toBe(false);
      expect(model.info).toMatchObject({ device, kvType: 'f32', quantisation: 'f32' });
      for (const [prompt, ids] of prompts) {
        const layers = [...tensors.keys()].flatMap((tensor) =>
          tensor.startsWith(`${prompt}.hidden.`) ? [Number(tensor.split('.')[2])] : [],
        );
        const { logits, hidden } = await model.forward(ids, { hidden: layers });
        expect(relativeError(logits, f32Of(tensors, `${prompt}.logits`)), `${prompt} logits`).toBeLessThan(1e-4);
        for (const layer of layers) {
          expect(relativeError(hidden.get(layer)!, f32Of(tensors, `${prompt}.hidden.${layer}`)), `${prompt} hidden ${layer}`).toBeLessThan(
            1e-4,
          );
        }
        const answer = await collect(model.generate({ ids, temperature: 0, ignoreEos: true, maxTokens: golden.greedy[prompt]!.length }));
        expect(answer.tokens, prompt).toEqual(golden.greedy[prompt]);
      }
    });
  });
});

describe('a loaded model', () => {
  const path = goldenPath('qwen3');

  it.each(['reference', 'cpu'] as const)('gives the same after being cancelled at ten points (%s)', async (device) => {
    await withModel(path, { device, threads: device === 'cpu' ? 2 : undefined }, async (model) => {
      const golden = readGolden('qwen3');
      const ids = golden.prompts['mid']!;
      const run = () => collect(model.generate({ ids, seed: 9, maxTokens: 20, ignoreEos: true }));
      const fresh = await run();
      const { memory } = model.info;
      for (const point of [1, 2, 3, 5, 7, 9, 12, 14, 17, 19]) {
        let read = 0;
        for await (const _ of model.generate({ ids, seed: point, maxTokens: 40, ignoreEos: true })) if (++read === point) break;
        expect((await run()).tokens).toEqual(fresh.tokens);
        expect(model.info.memory).toEqual(memory);
      }
    });
  });

  it('says what it is', async () => {
    await withModel(path, { contextLength: 64 }, async ({ info }) => {
      expect(info).toMatchObject({ architecture: 'qwen3', device: 'cpu', contextLength: 64 });
      expect(info.deviceDescription).toMatch(/^cpu \(\d+ threads?, /);
      expect(info.sizeBytes).toBeGreaterThan(info.parameters * 4);
      expect(info.memory.weightBytes).toBeGreaterThan(0);
    });
  });

  it('comes from a URL too', async () => {
    const files = new Map(readdirSync(path).map((name) => [`/${name}`, readFileSync(join(path, name))]));
    let isBusy = false;
    const server = await serveHttp((request, response) => {
      if (isBusy) {
        isBusy = false;
        return void response.writeHead(503).end();
      }
      const file = files.get(request.url ?? '');
      if (file === undefined) return void response.writeHead(404).end();
      sendPart(response, file, requestedRange(request, file.length));
    });
    const home = mkdtempSync(join(tmpdir(), 'ingot-url-'));
    const { HF_HOME } = process.env;
    process.env['HF_HOME'] = home;
    try {
      await withModel(`${server.origin}/`, { device: 'reference' }, async (model) => {
        expect(model.info.architecture).toBe('qwen3');
      });
      isBusy = true;
      const notes: (string | undefined)[] = [];
      const onProgress = ({ note }: ProgressEvent) => void notes.push(note);
      await withModel(`${server.origin}/`, { device: 'reference', onProgress }, async () => {});
      expect(notes[0]).toMatch(/\/[a-z_.]+: the server answered 503 Service Unavailable; attempt 2 of 5 in \d\.\d s$/);
      expect(notes.at(-1)).toBeUndefined();
    } finally {
      if (HF_HOME === undefined) delete process.env['HF_HOME'];
      else process.env['HF_HOME'] = HF_HOME;
      rmSync(home, { recursive: true, force: true });
      await server.close();
    }
  });
});

/** What an open file of this process is; empty where it has been closed. */
function linkOf(handle: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${handle}`);
  } catch {
    return '';
  }
}

describe('loadModel refuses', () => {
  const path = goldenPath('llama');
  const cases: [string, string, LoadModelOptions, new () => Error, string][] = [
    [
      'an unknown device',
      path,
      { device: 'npu' as never },
      InputError,
      'device must be auto, gpu, gpu:N, software, cpu or reference (gpu:0, gpu:1, ... as "ingot doctor" lists them), found string "npu"',
    ],
    ['no threads', path, { threads: 0 }, InputError, 'threads must be an integer from 1 to 256, found 0'],
    [
      "a context longer than the model's",
      path,
      { contextLength: 1_000_000 },
      InputError,
      "contextLength must be an integer from 1 to the model's",
    ],
    ['an unknown type of keys and values', path, { kvType: 'q5' as never }, InputError, 'as in "q8/q4", found "q5"'],
    ['f32 beside another', path, { kvType: 'f16/f32' }, InputError, 'f32 goes with itself alone'],
    ['no path', undefined as never, {}, InputError, 'Expected the path or URL of a model as a string, found undefined.'],
    ['a URL object', pathToFileURL(path) as never, {}, InputError, 'found a URL object: pass its href.'],
    ['a path that is not there', join(path, 'absent.gguf'), {}, InputError, 'absent.gguf'],
    ['a file that is no model', join(path, 'golden.json'), {}, FormatError, 'golden.json'],
  ];
  it.each(cases)('%s', async (_, at, options, kind, message) => {
    const failing = loadModel(at, options);
    await expect(failing).rejects.toThrow(kind);
    await expect(failing).rejects.toThrow(message);
  });

  it('to go on when aborted, before and while it loads, and leaves no file open', async () => {
    await expect(loadModel(path, { signal: AbortSignal.abort(new Error('changed my mind')) })).rejects.toThrow('changed my mind');
    // Of this model: the process has others, which come and go.
    const handles = () => readdirSync('/proc/self/fd').map(linkOf).filter((file) => file.startsWith(realpathSync(path)));
    for (const device of ['cpu', 'reference'] as const) {
      const controller = new AbortController();
      const failing = loadModel(path, { device, signal: controller.signal, onProgress: () => controller.abort(new Error('stop loading')) });
      await expect(failing).rejects.toThrow('stop loading');
    }
    if (process.platform === 'linux') await expect.poll(handles).toEqual([]);
  });
});

describe('tuning', () => {
  it.each([
    ['cpu', 'background', 'is for a GPU, and device is "cpu": leave out tuning, or pass device "gpu".'],
    ['cpu', 'stored', 'is for a GPU, and device is "cpu"'],
    ['reference', 'background', 'is for a GPU, and device is "reference"'],
    ['software', 'background', 'looks for what is faster on a GPU, and device is "software": leave out tuning, or pass "stored".'],
  ] as const)('beside %s, "%s" is refused by name', async (device, tuning, words) => {
    await expect(openExecutor({ device, tuning })).rejects.toThrow(InputError);
    await expect(loadModel(goldenPath('qwen3'), { device, tuning })).rejects.toThrow(`tuning "${tuning}" ${words}`);
  });

  it('is no word about a device where nobody gave one, and "off" is obeyed by all', async () => {
    for (const options of [{}, { tuning: 'off' }] as const)
      await withModel(goldenPath('qwen3'), { device: 'cpu', threads: 1, ...options }, async ({ info }) => expect(info.device).toBe('cpu'));
    const wrong = openExecutor({ device: 'cpu', tuning: 'on' as 'off' });
    await expect(wrong).rejects.toThrow('tuning must be off, stored, background; it is "on".');
  });
});

describe('dispose', () => {
  it.each([1, 2])('in the midst of an answer that the threads go on with themselves ends it, of %i threads', async (threads) => {
    const model = await loadModel('models/ember-21m-q4_0.gguf', { device: 'cpu', threads });
    const pieces = model.generate({ prompt: 'Once', maxTokens: 1000, temperature: 0, ignoreEos: true })[Symbol.asyncIterator]();
    await pieces.next();
    await pieces.next();
    const reading = (async () => {
      while ((await pieces.next()).done !== true);
    })();
    const { steps, rows } = model.info.load;
    expect(rows).toBeGreaterThanOrEqual(steps);
    await Promise.all([model.dispose(), expect(reading).rejects.toThrow('The model was disposed')]);
  });
});
