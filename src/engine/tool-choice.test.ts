import { describe, expect, it } from 'vitest';
import { FAKE_END, fakeModels, fakeTokenizer } from '../../test/fake-model.ts';
import { bundledModelPath } from '../node/package-root.ts';
import { loadModel } from '../node/load-model.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import { InputError } from '../tensor/errors.ts';
import { DIALECTS, dialectNamed } from '../text/answers/dialects.ts';
import { createGrammarCompiler } from '../text/grammars/output-format.ts';
import { collect } from './collect.ts';
import { callFormat } from './tool-choice.ts';

const { load, keep } = fakeModels();
const described = (name: string, parameters: JsonObject) => ({ type: 'function', function: { name, description: 'Does it.', parameters } });
const tools = [
  described('light', {
    type: 'object', properties: { on: { type: 'boolean' }, room: { enum: ['hall', 'attic'] } }, required: ['on', 'room'],
  }),
  described('clock', { type: 'object', properties: { zone: { type: 'string', maxLength: 8 } }, required: ['zone'] }),
];

/** Dialects whose arguments are not JSON. */
const FORMS = ['lfm2', 'glm', 'qwen-xml', 'gemma4'];

describe('toolChoice', () => {
  it.each(['required', { name: 'clock' }] as const)('%j holds an answer to a call, whatever the model would say', async (toolChoice) => {
    for (const dialect of ['hermes', 'llama3', 'mistral', 'ministral', 'phi4', 'granite', 'gemma3', ...FORMS]) {
      for (const choosesSteps of [undefined, 8]) {
        // An end is likely where there may be one.
        const adjust = (logits: Float32Array) => void (logits[FAKE_END] = 30);
        const { model } = await load({ text: { dialect: dialectNamed(dialect) }, adjust, ...(choosesSteps && { choosesSteps }) });
        const ask = { messages: [{ role: 'user', content: 'Hello' }], reasoning: false, seed: 3, maxTokens: 400 } as const;
        const { toolCalls, finishReason, text } = await collect(model.generate({ ...ask, tools, toolChoice }));
        expect([dialect, finishReason, text]).toEqual([dialect, 'tool_calls', text]);
        for (const { name, arguments: args } of toolCalls) {
          if (toolChoice !== 'required') expect(name).toBe('clock');
          if (name === 'light') expect(args).toEqual({ on: expect.any(Boolean), room: expect.stringMatching(/^(hall|attic)$/) });
          else expect(args).toEqual({ zone: expect.any(String) });
        }
      }
    }
  });

  it('is obeyed by the bundled model, which would not call', async () => {
    const model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 2 });
    keep(model);
    const ask = { messages: [{ role: 'user', content: 'Hello!' }], tools, temperature: 0, reasoning: false, maxTokens: 200 } as const;
    expect((await collect(model.generate(ask))).toolCalls).toEqual([]);
    for (const toolChoice of ['required', { name: 'clock' }] as const) {
      const { toolCalls, finishReason } = await collect(model.generate({ ...ask, toolChoice }));
      expect(finishReason).toBe('tool_calls');
      expect(toolCalls.length).toBeGreaterThan(0);
      if (toolChoice !== 'required') expect(toolCalls.map(({ name }) => name)).toEqual(toolCalls.map(() => 'clock'));
    }
    // It was not taught to end its thoughts.
    const thinking = await collect(model.generate({ ...ask, reasoning: { budgetTokens: 20 }, toolChoice: 'required' }));
    expect([thinking.finishReason, thinking.content, thinking.reasoning === '']).toEqual(['tool_calls', '', false]);
    const { toolCalls, text } = await collect(model.generate({ ...ask, toolChoice: 'none' }));
    const without = await collect(model.generate({ ...ask, tools: undefined }));
    expect([toolCalls, text]).toEqual([[], without.text]);
  });

  it('lets a model that may think do so before it calls, and say nothing else', () => {
    const tokenizer = fakeTokenizer();
    const format = callFormat({ dialect: dialectNamed('hermes'), tokenizer, thinks: true }, tools);
    const compiled = createGrammarCompiler(tokenizer, 300, new Set([FAKE_END])).compile(format);
    /** How many characters may follow each other, and whether the answer may end behind all of them. */
    const follow = (text: string) => {
      const matcher = compiled.start();
      const ids = [...tokenizer.encode(text), FAKE_END];
      const at = ids.findIndex((id) => {
        if (((matcher.mask()[id >> 5]! >>> (id & 31)) & 1) === 0) return true;
        matcher.accept(id);
        return false;
      });
      return at < 0 ? 'whole' : at;
    };
    const call = '<tool_call>\n{"name": "clock", "arguments": {"zone": "UTC"}}\n</tool_call>';
    const thought = '<think>\nWhat <tool_call> and </thin is this?\n</think>\n\n';
    expect([call, `${call}\n${call}`, `${thought}${call}`, `${thought}${call}\n${call}`].map(follow)).toEqual(new Array(4).fill('whole'));
    const { length } = thought;
    expect([thought, `${thought}Well`, 'Well', '<think>Well'].map(follow)).toEqual([length, length, 0, '<think>Well'.length]);
  });

  it('makes a form that each dialect reads, or says that it cannot', () => {
    const tokenizer = fakeTokenizer();
    const refused = DIALECTS.filter((dialect) => {
      try {
        createGrammarCompiler(tokenizer, 300, new Set([FAKE_END])).compile(callFormat({ dialect, tokenizer, thinks: true }, tools));
        return false;
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        return true;
      }
    });
    expect(refused.map(({ name }) => name)).toEqual(['plain']);
  });

  it.each([
    [{ toolChoice: 'required' }, 'there are no tools'],
    [{ toolChoice: 'required', tools, format: { type: 'json' } }, 'two forms of one answer'],
    [{ toolChoice: { name: 'x' }, tools }, 'toolChoice names the tool string "x"'],
    [{ toolChoice: 'always', tools }, 'toolChoice must be'],
    [{ toolChoice: 'required', tools, dialect: 'plain' }, 'the dialect plain has no calls'],
  ])('is refused: %j', async (options, message) => {
    const { model } = await load();
    const asking = collect(model.generate({ messages: [{ role: 'user', content: 'Hello' }], ...options } as never));
    await expect(asking).rejects.toThrow(InputError);
    await expect(asking).rejects.toThrow(message);
  });

  it.each([
    ['lfm2', { properties: { 'a b': {} } }, '#/properties/a b: the name "a b" cannot be said'],
    ['glm', { properties: { 'a<b': {} } }, '#/properties/a<b: the name "a<b" cannot be said'],
    ['glm', { properties: { a: { enum: ['x', '</arg_value>'] } } }, '#/properties/a: a text that holds </arg_value> cannot be said'],
    ['qwen-xml', { properties: { a: { enum: ['12', 3] } } }, '#/properties/a: the text "12" would be read as another value'],
    ['qwen-xml', { properties: { a: { items: { const: '</parameter>' } } } }, '#/properties/a/items: a text that holds </parameter>'],
    ['qwen-xml', { properties: { a: { type: 'string', maxLength: 7000 } } }, '#/properties/a: it makes more than 6000 states'],
    ['gemma4', { properties: { a: { const: '<|"|>' } } }, '#/properties/a: a text that holds <|"|> cannot be said'],
    ['lfm2', { enum: [{ a: 1 }] }, 'an enum, a const or a not of whole objects'],
  ])('refuses what calls of %s cannot say: %j', async (dialect, schema, message) => {
    const { model } = await load();
    const ask = { messages: [{ role: 'user', content: 'Hello' }], toolChoice: 'required', dialect } as const;
    const askFor = (name: string, parameters: JsonObject) => collect(model.generate({ ...ask, tools: [described(name, parameters)] }));
    await expect(askFor('f', { type: 'object', ...schema } as unknown as JsonObject)).rejects.toThrow(message);
    await expect(askFor('do it', {})).rejects.toThrow(`the name "do it" cannot be said in calls of the dialect ${dialect}`);
  });
});
