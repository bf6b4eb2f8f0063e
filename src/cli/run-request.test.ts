import { describe, expect, it } from 'vitest';
import { GENERATE_NAMES, INFILL_NAMES } from '../engine/option-names.ts';
import type { Model } from '../engine/api.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import { checkRunFlags, runRequest } from './run-request.ts';
import type { RunFlags } from './run-request.ts';

/** What a model was asked, by the name of the call. */
function asked(
  text: string, flags: Partial<RunFlags>, images: readonly JsonObject[] = [],
): { readonly call: string; readonly options: Record<string, unknown> } {
  let found: ReturnType<typeof asked> | undefined;
  const noting = (call: string) => (options: Record<string, unknown>) => void (found = { call, options });
  const info = { name: 'm', hasTokenizer: true };
  const model = { tokenizer: {}, info, generate: noting('generate'), infill: noting('infill') } as unknown as Model;
  const all = { think: true, ...flags } as RunFlags;
  checkRunFlags(all);
  runRequest(text, all, model, images)({ signal: undefined });
  const options = Object.fromEntries(Object.entries(found!.options).filter(([, value]) => value !== undefined));
  return { call: found!.call, options };
}

const tools = [{ type: 'function', function: { name: 'f' } }] as unknown as JsonObject;

describe('a run', () => {
  it('asks for a conversation, a text as it is, ids, or what stands between two texts', () => {
    expect(asked('hi', { system: 's', prefill: 'p' })).toEqual({
      call: 'generate',
      options: { messages: [{ role: 'system', content: 's' }, { role: 'user', content: 'hi' }, { role: 'assistant', content: 'p' }] },
    });
    const image = { type: 'image_url', image_url: { url: 'data:,' } };
    expect(asked('hi', { image: ['a.png'] }, [image])).toEqual({
      call: 'generate', options: { messages: [{ role: 'user', content: [image, { type: 'text', text: 'hi' }] }] },
    });
    expect(asked('hi', { raw: true, echo: true })).toEqual({ call: 'generate', options: { prompt: 'hi', echo: true } });
    expect(asked('', { ids: [1, 2], answers: 2, json: true, logprobs: 3 })).toEqual({
      call: 'generate', options: { ids: [1, 2], n: 2, logprobs: 3 },
    });
    expect(asked('a', { suffix: 'b', temperature: 0, ban: ['x'], logitBias: [[7, -100]] })).toEqual({
      call: 'infill', options: { prefix: 'a', suffix: 'b', temperature: 0, bannedTexts: ['x'], logitBias: [[7, -100]] },
    });
  });

  it('has functions, and which of them must be called', () => {
    for (const [toolChoice, choice] of [['required', 'required'], ['f', { name: 'f' }], ['auto', 'auto']] as const)
      expect(asked('hi', { tools, toolChoice, toolOrder: 'canonical' }).options)
        .toMatchObject({ tools, toolChoice: choice, toolOrder: 'canonical' });
    const variables = { templateVariables: { a: 1 } };
    expect(asked('hi', { ...variables, think: false }).options).toMatchObject({ ...variables, reasoning: false });
  });

  it.each<[Partial<RunFlags>, string]>([
    [{ suffix: 'b', ids: [1] }, '--suffix'], [{ suffix: 'b', tools }, '--tools is part of a chat template, which --suffix leaves out'],
    [{ suffix: 'b', answers: 2, json: true }, '--answers does not go with --suffix'], [{ raw: true, tools }, '--tools'],
    [{ suffix: 'b', raw: true }, '--raw does not go with --suffix'], [{ logprobs: 1 }, 'give it with --json'],
    [{ raw: true, templateVariables: {} }, '--template-variables'], [{ toolOrder: 'given' }, 'give them with --tools'],
    [{ suffix: 'b', echo: true }, '--echo'],
    [{ raw: true, image: ['a.png'] }, '--image is part of a chat template, which --raw leaves out'],
  ])('%j is refused', (flags, message) => {
    expect(() => asked('hi', flags)).toThrow(message);
  });

  it('has every option of the library, but those of a program with several calls', () => {
    const flags = {
      temperature: 0, topK: 1, topP: 1, minP: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: 1, logitBias: [],
      ban: ['a'], choice: ['b'], maxTokens: 1, stop: ['c'], ignoreEos: true, logprobs: 0, json: true, answers: 1, dialect: 'plain',
    };
    const names = (more: Partial<RunFlags>) => Object.keys(asked('hi', { ...flags, ...more }).options);
    const { answers: _answers, dialect: _dialect, ...ofInfill } = flags;
    const all = new Set([
      ...names({ tools, toolChoice: 'f', toolOrder: 'given', templateVariables: {}, reasoningBudget: 1 }), ...names({ ids: [1] }),
      ...names({ raw: true, echo: true }),
    ]);
    // Who is served first, how long a call may wait, what later turns reuse: one command has one call, and ends where the context does.
    const others = ['segments', 'priority', 'deadlineMs', 'cachePrompt', 'contextPolicy', 'signal', 'onProgress'];
    expect([...all, ...others].sort()).toEqual(Object.keys(GENERATE_NAMES).sort());
    const infill = Object.keys(asked('hi', { ...ofInfill, suffix: 'b' }).options);
    expect([...infill, 'priority', 'deadlineMs', 'cachePrompt', 'signal', 'onProgress'].sort()).toEqual(Object.keys(INFILL_NAMES).sort());
  });
});
