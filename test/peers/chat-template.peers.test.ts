/**
 * Chat templates as models have them, from the source of llama.cpp that node-llama-cpp carries, against digests of what
 * jinja2 rendered (scripts/fixtures/real_templates.py). The templates are read here and kept nowhere.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FormatError, InputError } from '../../src/tensor/errors.ts';
import { parseChatTemplate } from '../../src/text/chat-template.ts';
import type { ChatTemplate } from '../../src/text/chat-template.ts';
import { shapingTemplate } from '../../src/text/chat-messages.ts';
import { fixturesPath } from '../fixture-tensors.ts';
import { templateConversations } from '../template-cases.ts';
import { continuedCases, continuedDifferences } from '../continued-cases.ts';
import type { TemplateConversation } from '../template-cases.ts';
import { hasSourcePeer, templatesIn, withLlamaSource } from './llama-source.ts';

/** Digest and length in characters of the text, or the class of jinja2's error. */
type Outcome = readonly [digest: string, characters: number] | string;

const recorded = JSON.parse(readFileSync(`${fixturesPath}templates/real-templates.json`, 'utf8')) as {
  readonly now: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly conversations: readonly string[];
  /** By name of the file; outcomes are in the order of the conversations. */
  readonly templates: Readonly<Record<string, { readonly digest: string; readonly outcomes: readonly Outcome[] }>>;
};
const mostShown = 10;

const digestOf = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex').slice(0, 16);

function renderOutcome(template: ChatTemplate, conversation: TemplateConversation): { text?: string; error?: Error } {
  const { messages, tools, addGenerationPrompt = true, vars } = conversation;
  const specialTokens = recorded.variables;
  try {
    return {
      text: template.render({ messages, tools, addGenerationPrompt, variables: vars, specialTokens, now: new Date(recorded.now) }).text,
    };
  } catch (error) {
    return { error: error as Error };
  }
}

function difference(template: ChatTemplate, name: string, want: Outcome): string | undefined {
  const { text, error } = renderOutcome(template, templateConversations[name]!);
  if (typeof want === 'string') {
    const right = want === 'TemplateError' ? error instanceof InputError : error instanceof FormatError || error instanceof InputError;
    return right
      ? undefined
      : `${name}: want an error (${want}), got ${error ? `${error.name}: ${error.message.slice(0, 200)}` : JSON.stringify(text)}`;
  }
  if (text === undefined) return `${name}: want ${want[1]} characters, got ${error!.name}: ${error!.message.slice(0, 200)}`;
  if (digestOf(text) === want[0]) return undefined;
  return `${name}: want ${want[1]} characters, got ${[...text].length}: ${JSON.stringify(text.slice(-500))}`;
}

describe.skipIf(!hasSourcePeer)('templates of public models render as jinja2 renders them', () => {
  const templates = hasSourcePeer ? withLlamaSource(templatesIn) : new Map<string, Buffer>();
  const names = Object.keys(recorded.templates);

  it('are those that were recorded', () => {
    expect(Object.fromEntries([...templates].map(([name, data]) => [name, digestOf(data)]))).toEqual(
      Object.fromEntries(names.map((name) => [name, recorded.templates[name]!.digest])),
    );
    expect(names.length).toBeGreaterThanOrEqual(60);
    expect(recorded.conversations.length).toBeGreaterThanOrEqual(25);
  });

  it.each(names)('%s', (name) => {
    const template = parseChatTemplate(templates.get(name)!.toString('utf8'), name);
    const { outcomes } = recorded.templates[name]!;
    expect(outcomes.length).toBe(recorded.conversations.length);
    const differences = recorded.conversations
      .map((each, index) => difference(template, each, outcomes[index]!))
      .filter((each) => each !== undefined);
    const heading = `${name}: ${differences.length} of ${outcomes.length} conversations differ`;
    expect(differences.length, `${heading}\n  ${differences.slice(0, mostShown).join('\n  ')}\n`).toBe(0);
  });

  it.each([
    ['Qwen-Qwen3-0.6B.jinja', false, true], ['openai-gpt-oss-120b.jinja', false, true], ['LFM2.5-8B-A1B.jinja', false, true],
    ['mistralai-Ministral-3-14B-Reasoning-2512.jinja', true, true], ['ibm-granite-granite-3.3-2B-Instruct.jinja', false, false],
  ] as const)('%s has thoughts of the past as its family wants: before an answer %s, before a call %s', (name, ofAnswer, ofCall) => {
    const template = shapingTemplate(parseChatTemplate(templates.get(name)!.toString('utf8'), name));
    const call = { id: 'call00000', type: 'function', function: { name: 'now', arguments: {} } };
    const messages = [
      { role: 'user', content: 'Two and two?' }, { role: 'assistant', content: 'Four.', reasoning_content: 'FIRST' },
      { role: 'user', content: 'The time?' }, { role: 'assistant', content: '', reasoning_content: 'SECOND', tool_calls: [call] },
      { role: 'tool', content: '12:00', name: 'now', tool_call_id: 'call00000' },
    ];
    const { text } = template.render({ messages, specialTokens: recorded.variables });
    expect([text.includes('FIRST'), text.includes('SECOND')]).toEqual([ofAnswer, ofCall]);
  });

  it.each(Object.keys(continuedCases.digests))('%s leaves an answer open as transformers does', (name) => {
    expect(continuedDifferences(templates.get(name)!.toString('utf8'), continuedCases.digests[name]!)).toEqual([]);
  });
});
