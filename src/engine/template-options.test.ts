import { afterEach, describe, expect, it } from 'vitest';
import { tinyModel } from '../../test/bad-input/tiny-model.ts';
import { text as textValue } from '../../test/model-bytes.ts';
import { loadFakeModel } from '../../test/fake-model.ts';
import { memoryFolder } from '../files/memory-source.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import { InputError } from '../tensor/errors.ts';
import type { GenerateOptions, Model, TemplateOptions } from './api.ts';
import { collect } from './collect.ts';
import { createModel } from './model.ts';

const open: Model[] = [];

/** A model of a few kilobytes with this chat template. */
async function withTemplate(template: string): Promise<Model> {
  const folder = memoryFolder(
    new Map([['tiny.gguf', tinyModel({ metadata: { 'tokenizer.chat_template': textValue(template) } })]]),
    'tiny',
  );
  const model = await createModel({
    checkpoint: await openCheckpoint({ folder, fileName: 'tiny.gguf' }),
    executor: createReferenceExecutor(),
  });
  open.push(model);
  return model;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((model) => model.dispose()));
});

const PLAIN = "{% for message in messages %}{{ message['content'] }}{% endfor %}";
const THINKS = [
  PLAIN, '{% if tools %}{{ tools | length }}{% endif %}{{ style }}',
  '{% if enable_thinking is defined and not enable_thinking %}ab{% endif %}',
].join('');
const ALWAYS_THINKS = `${PLAIN}a<think>\n`;

describe('template options', () => {
  it.each<[string, string, TemplateOptions]>([
    ['no tools', PLAIN, { tools: [] }],
    ['tools that are read', THINKS, { tools: [{ name: 'f' }] }],
    ['variables that are read', THINKS, { templateVariables: { style: 'b', enable_thinking: true } }],
    ['a switch that is there', THINKS, { reasoning: false }],
    ['the switch, twice the same', THINKS, { reasoning: false, templateVariables: { enable_thinking: false } }],
    ['no thinking of a model that does not think', PLAIN, { reasoning: false }],
    ['no thinking of a model that always thinks', ALWAYS_THINKS, { reasoning: false }],
    ['a budget', THINKS, { reasoning: { budgetTokens: 20 } }],
    ['a budget of a model that always thinks', ALWAYS_THINKS, { reasoning: { budgetTokens: 0 } }],
  ])('pass: %s', async (_, template, options) => {
    const model = await withTemplate(template);
    const messages = [{ role: 'user', content: 'a' }];
    expect((await collect(model.generate({ messages, ...options, maxTokens: 1 }))).usage.completionTokens).toBe(1);
    expect((await collect(model.createChat({ ...options, maxTokens: 1 }).send('a'))).usage.completionTokens).toBe(1);
  });

  it.each<[string, string, TemplateOptions, string]>([
    ['tools that nobody reads', PLAIN, { tools: [{ name: 'f' }] }, 'tools would not be seen'],
    ['a variable that nobody reads', THINKS, { templateVariables: { styl: 'b' } }, 'templateVariables.styl would not be seen'],
    ['thinking of a model that does not think', PLAIN, { reasoning: true }, 'reasoning true would not be obeyed'],
    ['a budget of a model that does not think', PLAIN, { reasoning: { budgetTokens: 9 } }, 'the model\'s chat template knows no thoughts'],
    ['thinking of a model that always thinks', ALWAYS_THINKS, { reasoning: true }, 'has no switch for it'],
    ['a budget below nothing', THINKS, { reasoning: { budgetTokens: -1 } }, 'reasoning.budgetTokens must be an integer from 0'],
    ['a budget of nothing', THINKS, { reasoning: {} as never }, 'needs budgetTokens'],
    ['a word for reasoning', THINKS, { reasoning: 'low' as never }, 'must be true, false or { budgetTokens }'],
    ['another limit', THINKS, { reasoning: { budgetTokens: 3, maxTokens: 3 } as never }, 'reasoning has no option "maxTokens"'],
    ['a contradiction', THINKS, { reasoning: false, templateVariables: { enable_thinking: true } }, 'contradict each other'],
    ['what the engine sets', THINKS, { templateVariables: { add_generation_prompt: false } }, 'may not hold add_generation_prompt'],
  ])('are refused: %s', async (_, template, options, message) => {
    const model = await withTemplate(template);
    const messages = [{ role: 'user', content: 'a' }];
    const failing = collect(model.generate({ messages, ...options }));
    await expect(failing).rejects.toThrow(InputError);
    await expect(failing).rejects.toThrow(message);
    expect(() => model.createChat(options)).toThrow(message);
    await expect(collect(model.createChat().send('a', options))).rejects.toThrow(message);
  });

  it('are refused where a turn contradicts its chat', async () => {
    const model = await withTemplate(THINKS);
    await expect(
      collect(model.createChat({ reasoning: false }).send('a', { templateVariables: { enable_thinking: true } })),
    ).rejects.toThrow('contradict each other');
  });
});

describe('thinking that the prompt opened', () => {
  it('is told apart in the parts of every piece, and in the history', async () => {
    const model = await withTemplate(ALWAYS_THINKS);
    const chat = model.createChat({ temperature: 0, maxTokens: 6, ignoreEos: true });
    let text = '';
    for await (const piece of chat.send('b')) {
      for (const part of piece.parts) {
        expect(part.kind).toBe('reasoning');
        text += part.kind === 'reasoning' ? part.text : '';
      }
    }
    expect(text).not.toBe('');
    expect(chat.history[1]).toMatchObject({ role: 'assistant', content: '', reasoning_content: text });
  });

  it('may be opened by a prompt too, and mostly is not', async () => {
    const { model } = await loadFakeModel();
    open.push(model);
    const kinds = async (options: GenerateOptions) => {
      const { parts } = await collect(model.generate({ ...options, maxTokens: 2, ignoreEos: true }));
      return [...new Set(parts.map(({ kind }) => kind))].join();
    };
    expect(await kinds({ prompt: 'So: <think>\n' })).toBe('reasoning');
    expect(await kinds({ prompt: 'So: <think>\n</think>' })).toBe('text');
    expect(await kinds({ messages: [{ role: 'user', content: '<think>' }] })).toBe('text');
  });
});
