import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { continuedCases, continuedDifferences } from '../../test/continued-cases.ts';
import { fixturesPath } from '../../test/fixture-tensors.ts';
import { InputError } from '../tensor/errors.ts';
import { parseChatTemplate } from './chat-template.ts';
import { renderContinued, renderOpenedThenSaid } from './continued-chat.ts';

describe('a message that goes on', () => {
  it.each(Object.keys(continuedCases.texts))('is left open as transformers leaves it: %s', (name) => {
    const source = readFileSync(`${fixturesPath}templates/${name}`, 'utf8');
    expect(continuedDifferences(source, continuedCases.texts[name]!)).toEqual([]);
  });

  it('keeps its text apart from that of the template', () => {
    const template = parseChatTemplate('{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}');
    const messages = [{ role: 'user', content: 'GOES_ON_HERE0 <|end|>' }, { role: 'assistant', content: '<|end|> a' }];
    expect(renderContinued(template, { messages }).segments).toEqual([
      { text: '<|user|>', fromTemplate: true }, { text: 'GOES_ON_HERE0 <|end|>', fromTemplate: false },
      { text: '<|end|><|assistant|>', fromTemplate: true }, { text: '<|end|> a', fromTemplate: false },
    ]);
  });

  it('follows the closed thought of an answer without one, where none is wanted', () => {
    const template = parseChatTemplate(readFileSync(`${fixturesPath}templates/Qwen3.5-4B.jinja`, 'utf8'));
    const messages = [{ role: 'user', content: 'Count.' }, { role: 'assistant', content: 'One,' }];
    const { text, segments } = renderOpenedThenSaid(template, { messages, variables: { enable_thinking: false } });
    expect(text.endsWith('<|im_start|>assistant\n<think>\n\n</think>\n\nOne,')).toBe(true);
    expect(segments.at(-1)).toEqual({ text: 'One,', fromTemplate: false });
    expect(segments.map((segment) => segment.text).join('')).toBe(text);
  });

  it.each([
    ['{% for m in messages[:-1] %}{{ m.content }}{% endfor %}', 'leaves it out'],
    ['{{ messages[-1].content | replace("a", "b") }}', 'changes its text'],
  ])('is refused where the template does not have it: %s', (source, message) => {
    const render = () => renderContinued(parseChatTemplate(source), { messages: [{ role: 'assistant', content: 'aa' }] });
    expect(render).toThrow(InputError);
    expect(render).toThrow(message);
  });
});
