/**
 * Answers in the dialects of real models, against what llama.cpp's parsers make of them by the same models' templates: the whole answer
 * however it is cut, and each beginning of it. Where llama.cpp differs, a table says why.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonValue } from '../../src/tensor/checkpoint.ts';
import { dialectFor } from '../../src/text/answers/dialects.ts';
import { answerCases, answerTools } from '../answer-cases.ts';
import type { AnswerCase } from '../answer-cases.ts';
import { collected, cutTokens, parseBeginnings, parseTokens, spellTokens } from '../answer-tokens.ts';
import type { AnswerToken, Beginning, Collected } from '../answer-tokens.ts';
import { hasOraclePeer, openChatOracle } from './chat-oracle.ts';
import type { ChatOracle, OracleAnswer, OracleMessage } from './chat-oracle.ts';

/** Templates by the dialect that they must be given. */
const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  hermes: [
    'Qwen-Qwen3-0.6B', 'Qwen-Qwen2.5-7B-Instruct', 'Qwen-QwQ-32B', 'NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use',
    'NousResearch-Hermes-3-Llama-3.1-8B-tool_use',
  ],
  'qwen-xml': ['Qwen3-Coder', 'Qwen3.5-4B', 'NVIDIA-Nemotron-3-Nano-30B-A3B-BF16'],
  lfm2: ['LFM2-8B-A1B', 'LFM2.5-8B-A1B', 'LFM2.5-Instruct'],
  llama3: ['meta-llama-Llama-3.1-8B-Instruct', 'meta-llama-Llama-3.2-3B-Instruct', 'meta-llama-Llama-3.3-70B-Instruct'],
  gemma3: ['google-gemma-2-2b-it'],
  gemma4: ['google-gemma-4-31B-it', 'google-gemma-4-31B-it-interleaved'],
  mistral: ['mistralai-Mistral-Nemo-Instruct-2407'],
  ministral: ['mistralai-Ministral-3-14B-Reasoning-2512', 'Mistral-Small-3.2-24B-Instruct-2506', 'unsloth-mistral-Devstral-Small-2507'],
  harmony: ['openai-gpt-oss-120b'],
  granite: ['ibm-granite-granite-3.3-2B-Instruct', 'ibm-granite-granite-4.0', 'ibm-granite-granite-4.1'],
  glm: ['GLM-4.6', 'GLM-4.7-Flash'],
  plain: ['deepseek-ai-DeepSeek-R1-Distill-Qwen-32B'],
};

/** Where llama.cpp makes something else of an answer: why, and in which templates where it is not all of the dialect. */
interface Difference {
  readonly dialect: string;
  readonly names: readonly string[];
  readonly reason: string;
  readonly templates?: readonly string[];
}

const DIFFERENCES: readonly Difference[] = [
  { dialect: 'hermes', names: ['arguments before the name', 'no arguments', 'arguments as text'],
    reason: 'it takes a name and then an object alone; models write these too' },
  { dialect: 'hermes', names: ['a line break in a string'], reason: 'it gives arguments that are no JSON; here the break is escaped' },
  { dialect: 'hermes', names: ['words behind a call'], reason: 'it refuses the whole answer' },
  { dialect: 'hermes', names: ['a thought, words and two calls'], reason: 'a thought where the template knows none is text to it',
    templates: [
      'Qwen-Qwen2.5-7B-Instruct', 'NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use', 'NousResearch-Hermes-3-Llama-3.1-8B-tool_use',
    ] },
  { dialect: 'qwen-xml', names: ['two calls'], reason: 'a thought where the template knows none is text to it',
    templates: ['Qwen3-Coder'] },
  { dialect: 'qwen-xml', names: ['a word of Python', 'unknown keys'], reason: 'it loses the call without a word' },
  { dialect: 'qwen-xml', names: ['without the outer tag'], reason: 'it takes the tag for granted where the template thinks',
    templates: ['Qwen3.5-4B', 'NVIDIA-Nemotron-3-Nano-30B-A3B-BF16'] },
  { dialect: 'lfm2', names: ['an argument by its place', 'JSON between the marks', 'single quotes and a last comma', 'words behind calls'],
    reason: 'it refuses the whole answer' },
  { dialect: 'llama3', names: ['two bare calls', 'pythonic', 'the older form', 'another function', 'another object'],
    reason: 'it refuses the whole answer' },
  { dialect: 'llama3', names: ['behind the tag'], reason: 'the tag is text to it' },
  { dialect: 'llama3', names: ['cut before it is certain'],
    reason: 'it drops what may be a call; here it is text, as nothing announced one' },
  { dialect: 'gemma3', names: ['in a fence', 'one call in a fence', 'JSON in a fence', 'bare'], 
    reason: 'the template has no tools, so it looks for no calls' },
  { dialect: 'gemma4', names: ['a word of Python'], reason: 'it loses the call without a word' },
  { dialect: 'mistral', names: ['two calls'], reason: 'it refuses a call without an id' },
  { dialect: 'ministral', names: ['with an id'], reason: 'other templates than that of Small 3.2 have no ids' },
  { dialect: 'lfm2', names: ['a thought'], reason: 'a thought where the template knows none is text to it',
    templates: ['LFM2-8B-A1B', 'LFM2.5-Instruct'] },
  { dialect: 'ministral', names: ['one call', 'two calls'], reason: 'that template has neither thoughts nor calls without ids',
    templates: ['Mistral-Small-3.2-24B-Instruct-2506'] },
  { dialect: 'harmony', names: ['a bare text'], reason: 'it refuses the whole answer' },
  { dialect: 'granite', names: ['a list'], reason: 'the template does not say how calls are written, so it looks for none' },
  { dialect: 'granite', names: ['blocks'], reason: 'the same', templates: ['ibm-granite-granite-3.3-2B-Instruct'] },
  { dialect: 'granite', names: ['a thought and a response'], reason: 'the tags of the response are text to it' },
  { dialect: 'glm', names: ['on one line', 'two calls on one line'], reason: 'it refuses what this template puts on lines',
    templates: ['GLM-4.6'] },
  { dialect: 'glm', names: ['two calls'], reason: 'it refuses line breaks that this template has not', templates: ['GLM-4.7-Flash'] },
  { dialect: 'glm', names: ['words'], reason: 'it refuses the whole answer' },
  { dialect: 'plain', names: ['cut in the closing tag'], reason: 'it drops what may be a mark' },
];

const tools = answerTools.map(({ name, parameters }) => ({ type: 'function', function: { name, description: name, parameters } }));
const QUESTION = [{ role: 'user', content: 'hi' }];

/** What models write at the end of an answer, which llama.cpp's callers have taken off. */
const ENDS = ['<|im_end|>', '</s>', '<|eot_id|>', '<|eom_id|>', '<|end|>', '<|tool_response>', '<|return|>', '<|call|>'];

interface Question {
  readonly each: AnswerCase;
  readonly text: string;
}

/** A case as an answer to this prompt, which may have opened the thought. */
function questionOf(each: AnswerCase, generationPrompt: string): Question {
  const isOpen = generationPrompt.trimEnd().endsWith('<think>');
  const end = ENDS.find((mark) => each.text.endsWith(mark)) ?? '';
  const text = each.text.slice(0, each.text.length - end.length);
  const thought = text.trimStart();
  if (!isOpen) return { each, text };
  const opened = thought.startsWith('<think>') ? thought.slice('<think>'.length) : `\n</think>\n\n${text}`;
  return { each: { ...each, text: opened, promptTail: generationPrompt }, text: opened };
}

function parsed(json: string): JsonValue {
  try {
    return JSON.parse(json) as JsonValue;
  } catch {
    return json;
  }
}

type Said = Pick<Collected, 'reasoning' | 'content' | 'calls'>;

/** White space beside marks is left out differently. */
const trimmed = ({ reasoning, content, calls }: Said) => ({ reasoning: reasoning.trim(), content: content.trim(), calls });

function saidBy({ reasoning, content, calls }: OracleMessage): unknown {
  return { reasoning: reasoning.trim(), content: content.trim(), calls: calls.map(({ name, arguments: args }) => [name, parsed(args)]) };
}

describe.skipIf(!hasOraclePeer)('answers, beside the parsers of llama.cpp', () => {
  let oracle: ChatOracle;
  beforeAll(() => void (oracle = openChatOracle()));
  afterAll(() => oracle?.close());

  const sourceOf = (name: string) => (oracle.templates.get(`${name}.jinja`) as Buffer).toString('utf8');
  const vocabulary = { idOf: (text: string) => (text === '<|tool_call_start|>' ? 1 : undefined), isSpecial: () => true };

  it.each(Object.entries(TEMPLATES))('the dialect of its templates is %s', (dialect, names) => {
    expect(names.map((name) => dialectFor(sourceOf(name), vocabulary).name)).toEqual(names.map(() => dialect));
  });

  const all = Object.entries(TEMPLATES).flatMap(([dialect, names]) => names.map((name) => [name, dialect] as const));
  it.each(all)('%s (%s)', (name, dialect) => {
    const cases = answerCases.filter((each) => each.dialect === dialect && each.promptTail === undefined && each.incomplete === undefined);
    const setUp = [{ template: sourceOf(name) }, { messages: QUESTION, tools }];
    const [, { generationPrompt = '' }] = oracle.ask(setUp) as [OracleAnswer, OracleAnswer];
    const questions = cases.filter(({ withoutTools }) => withoutTools !== true).map((each) => questionOf(each, generationPrompt));
    const answers = oracle.ask([...setUp, ...questions.map((question) => ({ text: question.text, ends: endsOf(question) }))]).slice(2);
    const found = questions.map((question, i) => differenceOf(question, answers[i]?.messages ?? []));
    const known = DIFFERENCES.filter(({ dialect: of, templates: those }) => of === dialect && those?.includes(name) !== false);
    const names = known.flatMap((each) => each.names);
    expect(found.filter((difference, i) => difference !== undefined && !names.includes(questions[i]?.each.name ?? ''))).toEqual([]);
    expect(names.filter((of) => found[questions.findIndex(({ each }) => each.name === of)] === undefined), 'differ no longer').toEqual([]);
  });
});

/** Tokens of a character each, control tokens whole. */
function tokensOf({ each, text }: Question): AnswerToken[] {
  return cutTokens(spellTokens({ text, dialect: each.dialect }).flatMap(lettersOf), () => 1);
}

function lettersOf({ text, isSpecial }: AnswerToken): AnswerToken[] {
  return isSpecial ? [{ text, isSpecial }] : [...text].map((letter) => ({ text: letter, isSpecial }));
}

/** Bytes up to the end of each token. */
function endsOf(question: Question): number[] {
  const encoder = new TextEncoder();
  let end = 0;
  return tokensOf(question).map(({ text }) => (end += encoder.encode(text).length));
}

const wasCut = new Set<string>();

/** What differs in the whole answer, else in one of its beginnings. */
function differenceOf(question: Question, messages: readonly OracleMessage[]): string | undefined {
  const { each } = question;
  const tokens = tokensOf(question);
  const last = messages.at(-1);
  const want = last === undefined || last.error !== undefined ? last?.error : saidBy(last);
  const whole = trimmed(collected(parseTokens(each, tokens)));
  if (JSON.stringify(want) !== JSON.stringify(whole))
    return `${each.name}: llama.cpp has ${JSON.stringify(want)}, here is ${JSON.stringify(whole)}`;
  // The same answer to another template of the dialect is read as before.
  const key = JSON.stringify([each.dialect, each.promptTail, question.text]);
  for (let cut = wasCut.has(key) ? tokens.length : 1; cut < tokens.length; cut++) {
    const halves = [tokens.slice(0, cut), tokens.slice(cut)].flatMap((half) => cutTokens(half, () => Infinity));
    const said = trimmed(collected(parseTokens(each, halves)));
    if (JSON.stringify(said) !== JSON.stringify(want)) return `${each.name}, cut at ${cut}: ${JSON.stringify(said)}`;
  }
  wasCut.add(key);
  const beginnings = parseBeginnings(each, tokens);
  const parted = beginnings.findIndex((beginning, i) => i < beginnings.length - 1 && !agree(beginning, messages[i] as OracleMessage));
  if (parted < 0) return undefined;
  const [there, here] = [messages, beginnings].map((all) => JSON.stringify(all[parted]));
  return `${each.name}, ${parted + 1} tokens: llama.cpp has ${there}, here is ${here}`;
}

/** Whether two accounts of a beginning go on from one another: what may be a mark is held back, or shown, sooner or later. */
function agree(here: Beginning, there: OracleMessage): boolean {
  if (there.error !== undefined) return true;
  const goesOn = (one: string, other: string): boolean => {
    const [a, b] = [one, other].map((text) => text.replace(/\s/g, '')) as [string, string];
    return a.startsWith(b) || b.startsWith(a);
  };
  const calls = here.calls.every(({ name, json }, i) => {
    const call = there.calls[i];
    return call === undefined || (name === call.name && goesOn(json, call.arguments));
  });
  return calls && goesOn(here.reasoning, there.reasoning) && goesOn(here.content, there.content);
}
