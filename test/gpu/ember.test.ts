/** The bundled model on the software adapter. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { GenerateOptions, Model } from '../../src/engine/api.ts';
import { collect } from '../../src/engine/collect.ts';
import { createModel } from '../../src/engine/model.ts';
import { openCheckpoint } from '../../src/files/open-checkpoint.ts';
import { PROFILES } from '../../src/gpu/profile/profiles.ts';
import type { OutputFormat } from '../../src/text/grammars/output-format.ts';
import { bundledModelPath } from '../../src/node/package-root.ts';
import { locate } from '../../src/node/open-path.ts';
import { emberFixtures, emberFolder, goldenPrompts, hasEmberFolder, isFullRun } from '../ember/ember-files.ts';
import type { GoldenPrompt } from '../ember/ember-files.ts';
import { f32Of, readFixtureTensors } from '../fixture-tensors.ts';
import { setClock } from './executor-check.ts';
import { softwareExecutor } from './shared-device.ts';

// A busy machine may take minutes for the longest prompts.
vi.setConfig({ testTimeout: 300_000 });

/** Chunks of 8 rows: SwiftShader computes a row of those in half the time that it takes for one of a large tile. */
const PREFILL_ROWS = 8;
/** What its README calls a near-tie: another arithmetic may go the other way. */
const NEAR_TIE = 0.05;

async function loadEmber(path: string): Promise<Model> {
  const executor = await softwareExecutor({ profile: { ...PROFILES.software, stepsPerSubmit: 16 } });
  const checkpoint = await openCheckpoint(await locate(path));
  return createModel({ checkpoint, executor: { ...executor, prefillRows: PREFILL_ROWS }, contextLength: 512 });
}

const goldenOf = (id: string) => goldenPrompts.find((prompt) => prompt.id === id)!;

describe('the bundled model on the software adapter', () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadEmber(bundledModelPath());
  });
  afterAll(() => model?.dispose());
  afterEach(() => void vi.restoreAllMocks());

  async function checkAnswer(id: string): Promise<void> {
    const { ids, messages, tools, thinking, greedy_ids: golden } = goldenOf(id);
    const wanted = golden.slice(0, 32);
    const asked = { messages, tools, reasoning: thinking, temperature: 0, maxTokens: wanted.length };
    const { tokens, usage } = await collect(model.generate(asked));
    expect(usage.promptTokens).toBe(ids.length);
    expect(tokens).toEqual(wanted);
  }

  it.each(['sum-thinking', 'unicode'])('answers %s as the f32 reference does, for 32 tokens', checkAnswer);
  it.each(['system-and-memory'])('answers %s as the f32 reference does, for 32 tokens', { tags: 'slow' }, checkAnswer);

  it('answers tools and tool-response so, computing once what their prompts have in common', { tags: 'slow' }, async () => {
    const [first, second] = ['tools', 'tool-response'].map(goldenOf) as [GoldenPrompt, GoldenPrompt];
    const common = first.ids.findIndex((token, i) => token !== second.ids[i]);
    expect(common).toBe(163);
    const chat = model.createChat({ tools: first.tools, reasoning: first.thinking, temperature: 0, maxTokens: 32 });
    for (const [{ ids, messages, greedy_ids: golden }, cachedTokens] of [[first, 0], [second, common]] as const) {
      chat.reset();
      const { tokens, usage } = await collect(chat.send(messages));
      expect(usage).toMatchObject({ promptTokens: ids.length, cachedTokens });
      expect(tokens).toEqual(golden.slice(0, 32));
    }
    chat.dispose();
  });

  it('follows the grammar of an answer by itself, and chooses the tokens that masks of the host leave', async () => {
    const { ids } = goldenOf('unicode');
    const schema = { type: 'object', properties: { name: { type: 'string', maxLength: 8 }, n: { type: 'integer', maximum: 99 } },
      required: ['name', 'n'] };
    const format: OutputFormat = { type: 'schema', schema };
    const ask = async (options: GenerateOptions) => {
      const tokens: number[] = [];
      for await (const piece of model.generate({ ids: ids.slice(0, 6), format, maxTokens: 12, seed: 4, ...options }))
        tokens.push(...piece.tokens);
      return tokens;
    };
    // A mask of its own beside the grammar's, which takes no token out: then all masks are the host's, and no text is added.
    const byMasks = { bannedTexts: ['\u0007'] };
    const free = () => ask({ format: undefined, temperature: 0, maxTokens: 6 });
    const together = await Promise.all([ask({ temperature: 1 }), ask({ temperature: 0 }), free()]);
    expect(together).toEqual(await Promise.all([ask({ temperature: 1, ...byMasks }), ask({ temperature: 0, ...byMasks }), free()]));
    expect(together.map(({ length }) => length > 4)).toEqual([true, true, true]);
  });

  it('holds answers to a form, beside one that is free', async () => {
    const ids = goldenOf('unicode').ids.slice(0, 6);
    const schema = { type: 'object', properties: { colour: { enum: ['red', 'green'] }, ok: { type: 'boolean' } }, required: ['colour',
      'ok'] };
    const ask = (temperature: number) => collect(model.generate({ ids, format: { type: 'schema', schema }, temperature, seed: 1,
      maxTokens: 60 }));
    const [one, other, free] = await Promise.all([ask(0), ask(1), collect(model.generate({ ids, temperature: 0, maxTokens: 6 }))]);
    for (const { text, finishReason } of [one, other]) {
      expect(finishReason).toBe('stop');
      expect(JSON.parse(text)).toEqual({ colour: expect.stringMatching(/^(red|green)$/u) as string, ok: expect.any(Boolean) as boolean });
    }
    expect(free.tokens).toHaveLength(6);
    const chosen = await collect(model.generate({ ids, format: { type: 'choice', choices: ['alpha', 'beta'] }, temperature: 0,
      logprobs: 1 }));
    expect(chosen.text).toMatch(/^(alpha|beta)$/u);
  });

  it('parts from the golden story only where two words are equally good', async () => {
    const { messages, greedy_ids: golden } = goldenOf('story');
    const { tokens, logprobs } = await collect(model.generate({ messages, temperature: 0, maxTokens: 8, logprobs: 2 }));
    const parting = tokens.findIndex((token, i) => token !== golden[i]);
    if (parting < 0) return;
    expect(parting).toBeGreaterThanOrEqual(3);
    const [first, second] = logprobs![parting]!.top;
    expect(first!.logprob - second!.logprob).toBeLessThan(NEAR_TIE);
    expect(second!.token).toBe(golden[parting]);
  });

  it('gives the same text by seed, one step a submit or many', { tags: 'slow' }, async () => {
    const options: GenerateOptions = {
      messages: goldenOf('story').messages,
      maxTokens: 24,
      seed: 11,
      topP: 0.9,
      minP: 0.02,
      repetitionPenalty: 1.1,
      presencePenalty: 0.2,
      frequencyPenalty: 0.1,
    };
    const piecesOf = async () => {
      const pieces: { text: string; tokens: readonly number[] }[] = [];
      for await (const { text, tokens } of model.generate(options)) pieces.push({ text, tokens });
      return pieces;
    };
    setClock('racing');
    const single = await piecesOf();
    setClock('still');
    const many = await piecesOf();
    expect(Math.max(...single.map(({ tokens }) => tokens.length))).toBeLessThanOrEqual(2);
    expect(Math.max(...many.map(({ tokens }) => tokens.length))).toBeGreaterThanOrEqual(8);
    expect(many.flatMap(({ tokens }) => tokens)).toEqual(single.flatMap(({ tokens }) => tokens));
    expect(many.map(({ text }) => text).join('')).toBe(single.map(({ text }) => text).join(''));
  });
});

// Half a minute for what the goldens of small models show too.
if (isFullRun && hasEmberFolder) {
  it('the original weights (../shared/ember-21m) give the golden logits', async () => {
    const model = await loadEmber(emberFolder);
    try {
      const tensors = readFixtureTensors(`${emberFixtures}golden.safetensors`);
      const { id, ids } = goldenOf('story');
      const [found, wanted] = [await model.forward(ids, { positions: [ids.length - 1] }), f32Of(tensors, `${id}.logits`)];
      const range = Math.max(...wanted) - Math.min(...wanted);
      expect(Math.max(...wanted.map((value, i) => Math.abs(value - found[i]))) / range).toBeLessThan(1e-3);
    } finally {
      await model.dispose();
    }
  });
}
