import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Model } from '../../src/engine/api.ts';
import { collect } from '../../src/engine/collect.ts';
import { openCheckpoint } from '../../src/files/open-checkpoint.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { convertFile } from '../../src/node/convert.ts';
import { loadModel } from '../../src/node/load-model.ts';
import { locate } from '../../src/node/open-path.ts';
import { encodeChat } from '../../src/text/chat-template.ts';
import { chatTemplateOf } from '../../src/text/chat-template-source.ts';
import { tokenizerFromCheckpoint } from '../../src/text/tokenizer-from-checkpoint.ts';
import { f32Of, readFixtureTensors } from '../fixture-tensors.ts';
import { emberFixtures, emberFolder, goldenPrompts, hasEmberFolder, withModel } from './ember-files.ts';
import type { GoldenPrompt } from './ember-files.ts';

const logits = readFixtureTensors(`${emberFixtures}golden.safetensors`);

/** Largest difference over the range of the expected values. */
function relativeError(found: Float32Array, expected: Float32Array): number {
  expect(found.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!);
    // Written so that NaN stays.
    worst = difference <= worst ? worst : difference;
  }
  return worst / (Math.max(...expected) - Math.min(...expected));
}

async function logitErrors(model: Model, prompts: readonly GoldenPrompt[]): Promise<number[]> {
  const errors: number[] = [];
  for (const { id, ids } of prompts)
    errors.push(relativeError(await model.forward(ids, { positions: [ids.length - 1] }), f32Of(logits, `${id}.logits`)));
  return errors;
}

/** Greedy tokens of a golden conversation, as many as the golden has. */
async function greedyTokens(model: Model, { messages, tools, thinking, greedy_ids: golden }: GoldenPrompt): Promise<readonly number[]> {
  const { tokens } = await collect(model.generate({ messages, tools, reasoning: thinking, temperature: 0, maxTokens: golden.length }));
  return tokens;
}

describe('the bundled model', () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 2 });
  });
  afterAll(() => model?.dispose());

  it('carries name, sampling defaults and both end tokens', () => {
    expect(model.info).toMatchObject({ name: 'ember-21m', architecture: 'qwen3', parameters: 20_981_248, contextLength: 2048 });
    expect(model.info.sizeBytes).toBeLessThanOrEqual(16e6);
    expect(model.info.samplingDefaults).toEqual({ temperature: 0.7, topK: 50, topP: 0.95 });
    expect([...model.tokenizer!.endIds].toSorted()).toEqual([4080, 4082]);
  });

  it.each(goldenPrompts)('renders and tokenizes $id as transformers does', async ({ messages, tools, thinking, text, ids }) => {
    const checkpoint = await openCheckpoint(await locate(bundledModelPath()));
    try {
      const chat = (await chatTemplateOf(checkpoint))!.render({ messages, tools, variables: { enable_thinking: thinking } });
      expect(chat.text).toBe(text);
      expect(encodeChat((await tokenizerFromCheckpoint(checkpoint))!, chat)).toEqual(ids);
    } finally {
      await checkpoint.close();
    }
  });

  // A story has ties that another arithmetic may rightly break otherwise; the others lead by 9 and more at every token.
  it.each(goldenPrompts.filter((prompt) => prompt.greedy_smallest_lead > 5))(
    'answers $id token by token as the f32 reference does',
    async (prompt) => {
      expect(await greedyTokens(model, prompt)).toEqual(prompt.greedy_ids);
    },
  );

  it('tells the golden story to its end, of who was asked for', async () => {
    const { messages } = goldenPrompts.find(({ id }) => id === 'story')!;
    const { text, finishReason } = await collect(model.generate({ messages, temperature: 0 }));
    expect(finishReason).toBe('stop');
    expect(text).toMatch(/^Ash was /);
    expect(text.length).toBeGreaterThan(300);
  });

  it('has logits near those of the f32 reference', async () => {
    expect(Math.max(...(await logitErrors(model, goldenPrompts)))).toBeLessThan(0.06);
  });
});

describe.skipIf(!hasEmberFolder)('the original weights (../shared/ember-21m)', () => {
  it('give the golden logits and greedy tokens on the CPU', async () => {
    await withModel(emberFolder, { device: 'cpu', threads: 2 }, async (model) => {
      expect(Math.max(...(await logitErrors(model, goldenPrompts)))).toBeLessThan(1e-4);
      for (const prompt of goldenPrompts) expect(await greedyTokens(model, prompt)).toEqual(prompt.greedy_ids);
    });
  });

  it('give the golden logits on the reference executor', async () => {
    const short = goldenPrompts.filter(({ ids }) => ids.length < 30);
    await withModel(emberFolder, { device: 'reference' }, async (model) => {
      expect(Math.max(...(await logitErrors(model, short)))).toBeLessThan(1e-4);
    });
  });

  it('convert to the bundled file byte for byte, and to f32 with the golden logits', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ingot-ember-'));
    try {
      await convertFile(emberFolder, join(folder, 'again.gguf'), { type: 'q4_0' });
      expect(Buffer.compare(readFileSync(join(folder, 'again.gguf')), readFileSync(bundledModelPath()))).toBe(0);
      await convertFile(emberFolder, join(folder, 'f32.gguf'), { type: 'f32' });
      await withModel(join(folder, 'f32.gguf'), { device: 'cpu', threads: 2 }, async (model) => {
        expect(Math.max(...(await logitErrors(model, goldenPrompts)))).toBeLessThan(1e-4);
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
