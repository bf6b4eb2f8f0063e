import type { ChatCompletionContentPart, ChatCompletionMessageParam } from 'openai/resources/chat/completions';
import { expect, test } from 'vitest';
import { bundledModelPath } from '../node/package-root.ts';
import { loadModel } from '../node/load-model.ts';
import { collect } from './collect.ts';

test("messages of OpenAI's own types, with arrays of parts, are taken as they are", async () => {
  const parts: ChatCompletionContentPart[] = [
    { type: 'text', text: 'My cat is called Maple.' }, { type: 'text', text: 'What is my cat called?' },
  ];
  const asked: ChatCompletionMessageParam[] = [{ role: 'system', content: 'You are Ember.' }, { role: 'user', content: parts }];
  const same: ChatCompletionMessageParam[] = [
    { role: 'system', content: 'You are Ember.' }, { role: 'user', content: 'My cat is called Maple.\nWhat is my cat called?' },
  ];
  const model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 1, contextLength: 256 });
  try {
    expect(model.promptIds({ messages: asked })).toEqual(model.promptIds({ messages: same }));
    const answer = await collect(model.generate({ messages: asked, temperature: 0, reasoning: false, maxTokens: 8 }));
    expect(answer.text).toContain('Maple');
  } finally {
    await model.dispose();
  }
});
