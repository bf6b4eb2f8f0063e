/**
 * Conversations as clients send them, rendered by the templates of real models beside llama.cpp's own renderer: tools, results, null
 * content, content in parts, parallel calls, arguments as text, thoughts, and a message of the system where the template has no place for
 * one. What jinja2 makes of the same templates is in chat-template.peers.test.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shapingTemplate } from '../../src/text/chat-messages.ts';
import { parseChatTemplate } from '../../src/text/chat-template.ts';
import { dialectFor } from '../../src/text/answers/dialects.ts';
import type { JsonObject } from '../../src/tensor/checkpoint.ts';
import { answerTools } from '../answer-cases.ts';
import { characters, collected, parseTokens, spellTokens } from '../answer-tokens.ts';
import { hasOraclePeer, openChatOracle } from './chat-oracle.ts';
import type { ChatOracle } from './chat-oracle.ts';
import { hasSourcePeer, templatesIn, withLlamaSource } from './llama-source.ts';

const TEMPLATES = [
  'Qwen-Qwen3-0.6B', 'Qwen-Qwen2.5-7B-Instruct', 'Qwen-QwQ-32B', 'Qwen3-Coder', 'Qwen3.5-4B', 'LFM2-8B-A1B', 'LFM2.5-Instruct',
  'meta-llama-Llama-3.1-8B-Instruct', 'meta-llama-Llama-3.2-3B-Instruct', 'google-gemma-2-2b-it', 'google-gemma-4-31B-it',
  'mistralai-Mistral-Nemo-Instruct-2407', 'mistralai-Ministral-3-14B-Reasoning-2512', 'Mistral-Small-3.2-24B-Instruct-2506',
  'openai-gpt-oss-120b', 'ibm-granite-granite-3.3-2B-Instruct', 'ibm-granite-granite-4.0', 'GLM-4.6', 'GLM-4.7-Flash',
  'microsoft-Phi-3.5-mini-instruct',
] as const;

const user = (content: unknown): object => ({ role: 'user', content });
const call = (id: string, name: string, args: unknown): object => ({ id, type: 'function', function: { name, arguments: args } });
const PARIS = '{"city": "Paris"}';
const RAIN = { role: 'tool', tool_call_id: 'abcdefghi', name: 'get_weather', content: 'rain' };
const one = (content: string | null, args: unknown, more: object = {}): object[] => [
  user('Hi'), { role: 'assistant', content, tool_calls: [call('abcdefghi', 'get_weather', args)], ...more }, RAIN,
];
const tools = answerTools.map(({ name, parameters }) => ({ type: 'function', function: { name, description: name, parameters } }));

const CONVERSATIONS: Readonly<Record<string, { readonly messages: readonly object[]; readonly tools?: readonly object[] }>> = {
  'a question': { messages: [user('Hi')] },
  tools: { messages: [user('Hi')], tools },
  system: { messages: [{ role: 'system', content: 'Be kind.' }, user('Hi')] },
  parts: { messages: [{ role: 'system', content: [{ type: 'text', text: 'Be kind.' }] }, user([{ type: 'text', text: 'One' }])] },
  'null content, arguments as text': { messages: one(null, PARIS), tools },
  'arguments as an object': { messages: one('', { city: 'Paris' }), tools },
  'parallel calls': {
    messages: [
      user('Hi'),
      { role: 'assistant', content: null, tool_calls: [call('abcdefghi', 'get_weather', PARIS), call('123456789', 'now', '{}')] },
      RAIN,
      { role: 'tool', tool_call_id: '123456789', name: 'now', content: '12:00' },
    ],
    tools,
  },
  'a thought': { messages: [user('Hi'), { role: 'assistant', content: 'Yes.', reasoning_content: 'hm' }, user('And?')] },
  'a thought before a call': { messages: one('', PARIS, { reasoning_content: 'hm' }), tools },
};

/** Where llama.cpp renders something else, and why. */
const DIFFERENCES: readonly { readonly template: string; readonly names: readonly string[]; readonly reason: string }[] = [
  {
    template: 'google-gemma-2-2b-it', names: ['system', 'parts'],
    reason: "it puts a line break behind the system's text; the template of Gemma 3 an empty line",
  },
];

describe.skipIf(!hasOraclePeer)('conversations of clients, beside the renderer of llama.cpp', () => {
  let oracle: ChatOracle;
  beforeAll(() => void (oracle = openChatOracle()));
  afterAll(() => oracle?.close());

  it.each(TEMPLATES)('%s', (name) => {
    const source = (oracle.templates.get(`${name}.jinja`) as Buffer).toString('utf8');
    const template = shapingTemplate(parseChatTemplate(source));
    const all = Object.entries(CONVERSATIONS);
    const now = new Date();
    // As llama.cpp tells templates of Llama the day.
    const day = now.toLocaleDateString('en-GB', { day: '2-digit', month: 'short', year: 'numeric' });
    const variables = { enable_thinking: true, date_string: day };
    const answers = oracle.ask([{ template: source }, ...all.map(([, conversation]) => conversation)]).slice(1);
    const differences = all.flatMap(([what, { messages, tools: given }], i) => {
      const options = { messages, tools: given, specialTokens: { bos_token: '<s>', eos_token: '</s>' }, variables, now };
      const here = outcome(() => template.render(options).text);
      const { prompt, error } = answers[i] ?? {};
      if (error !== undefined && here.error !== undefined) return [];
      return here.text === prompt ? [] : [[what, firstDifference(here.text ?? here.error ?? '', prompt ?? error ?? '')] as const];
    });
    const known = DIFFERENCES.filter((each) => each.template === name).flatMap((each) => each.names);
    expect(differences.filter(([what]) => !known.includes(what))).toEqual([]);
    expect(known.filter((what) => differences.every(([of]) => of !== what)), 'differ no longer').toEqual([]);
  });
});

/** Templates that write the calls of the past as the model does, and how many they take in a message. */
const WRITES_CALLS: readonly (readonly [name: string, calls: number])[] = [
  ['Qwen-Qwen3-0.6B', 2], ['Qwen-Qwen2.5-7B-Instruct', 2], ['Qwen3-Coder', 2], ['Qwen3.5-4B', 2], ['meta-llama-Llama-3.1-8B-Instruct', 1],
  ['meta-llama-Llama-3.2-3B-Instruct', 1], ['google-gemma-4-31B-it', 2], ['mistralai-Mistral-Nemo-Instruct-2407', 2],
  ['mistralai-Ministral-3-14B-Reasoning-2512', 2], ['Mistral-Small-3.2-24B-Instruct-2506', 2], ['openai-gpt-oss-120b', 1],
  ['ibm-granite-granite-4.0', 2], ['GLM-4.6', 2], ['GLM-4.7-Flash', 2],
];

const CALLS: readonly (readonly [string, JsonObject])[] = [
  ['get_weather', { city: 'Z\u00fcrich "S\u00fcd" </x> {', days: 3, exact: true }],
  ['save', { text: 'a\n  b = {"x": 1}\n', tags: ['one', 'two, 3'], meta: { n: null, deep: [1.5, -2000] } }],
];

/** Sorted, as some templates write them. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, sorted(each)]));
}

describe.skipIf(!hasSourcePeer)('what templates write of calls', () => {
  const templates = hasSourcePeer ? withLlamaSource(templatesIn) : new Map<string, Buffer>();
  it.each(WRITES_CALLS)('is read as those calls: %s', (name, count) => {
    const source = (templates.get(`${name}.jinja`) as Buffer).toString('utf8');
    const template = shapingTemplate(parseChatTemplate(source));
    const calls = CALLS.slice(0, count).map(([of, args], i) => call(`abcdefgh${i}`, of, args));
    const asked = [user('Hi')];
    const options = { tools, specialTokens: { bos_token: '<s>', eos_token: '</s>' } };
    const before = template.render({ ...options, messages: asked }).text;
    const after = template.render({
      ...options, messages: [...asked, { role: 'assistant', content: '', tool_calls: calls }], addGenerationPrompt: false,
    }).text;
    let common = 0;
    while (common < before.length && before[common] === after[common]) common++;
    // Not inside a mark.
    if (after.lastIndexOf('<', common - 1) > after.lastIndexOf('>', common - 1)) common = after.lastIndexOf('<', common - 1);
    const dialect = dialectFor(source).name;
    const parsed = collected(
      parseTokens({ dialect, promptTail: after.slice(0, common) }, characters(spellTokens({ dialect, text: after.slice(common) }))),
    );
    expect(parsed.calls.map(([of, args]) => [of, sorted(args)])).toEqual(CALLS.slice(0, count).map(([of, args]) => [of, sorted(args)]));
    expect(parsed.incomplete).toBe(0);
    expect(parsed.content.replace(/<\|im_end\|>|<\|end_of_text\|>|<\/think>/g, '').trim()).toBe('');
  });
});

function outcome(render: () => string): { readonly text?: string; readonly error?: string } {
  try {
    return { text: render() };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

function firstDifference(here: string, there: string): string {
  let at = 0;
  while (at < here.length && here[at] === there[at]) at++;
  return [here, there].map((text) => JSON.stringify(text.slice(Math.max(0, at - 30), at + 80))).join(' | llama.cpp: ');
}
