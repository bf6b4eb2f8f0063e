import { describe, expect, it } from 'vitest';
import { splitReasoning } from '../engine/assistant-message.ts';
import { createThinkingSplitter } from './thinking-splitter.ts';

const answers = [
  'Hello there.',
  '<think>\n1 + 1 = 2\n</think>\n\nTwo.',
  '<think>\n\n</think>\n\nAt once.',
  '\n<think>a < b </thin > c</think>rest <think>not this</think>',
  '<think>cut while thinking',
  '<thinker> is no tag',
  '<th',
];

function split(text: string, step: number): { thinking: string; answer: string } {
  const splitter = createThinkingSplitter();
  const found = { thinking: '', answer: '' };
  for (let at = 0; at < text.length; at += step) for (const part of splitter.push(text.slice(at, at + step))) found[part.kind] += part.text;
  for (const part of splitter.flush()) found[part.kind] += part.text;
  return found;
}

describe('thinking splitter', () => {
  it.each(answers)('splits %j as the engine does, however it is cut', (text) => {
    const { reasoning, content } = splitReasoning(text);
    for (const step of [1, 2, 3, 5, 1000]) expect(split(text, step)).toEqual({ thinking: reasoning.trim(), answer: content });
  });
});
