/** Recorded cases of chat templates: what jinja2 makes of a template, as scripts/fixtures/jinja_cases.py wrote it down. */
import { readdirSync, readFileSync } from 'node:fs';
import { FormatError, InputError } from '../src/tensor/errors.ts';
import { renderChat } from '../src/text/chat-template.ts';
import type { TemplateData } from '../src/text/chat-template.ts';
import { fixturesPath } from './fixture-tensors.ts';

/** What a template is rendered with; `vars` are further variables. */
export interface TemplateConversation {
  readonly messages: readonly object[];
  readonly tools?: readonly object[];
  readonly addGenerationPrompt?: boolean;
  readonly vars?: Readonly<Record<string, TemplateData>>;
}

/** Its `want` is a text, or null with the class of jinja2's error beside it; a conversation is given by its name. */
export type TemplateCase = readonly [
  template: string,
  want: string | null,
  error?: string | null,
  conversation?: string | null,
  now?: string,
];

export interface CasesAbout {
  readonly now: string;
  readonly filters: readonly string[];
  readonly tests: readonly string[];
  readonly globals: readonly string[];
  readonly nodes: readonly string[];
  /** Name -> why it is not rendered. */
  readonly refused: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, TemplateData>>;
}

const folder = `${fixturesPath}templates/jinja/`;

export const templateConversations = JSON.parse(readFileSync(`${fixturesPath}templates/conversations.json`, 'utf8')) as Record<
  string,
  TemplateConversation
>;

export const casesAbout = JSON.parse(readFileSync(`${folder}about.json`, 'utf8')) as CasesAbout;

/** Its variables. JavaScript puts the key "0" of one first, where jinja2 has it fifth: a Map keeps the order of the file. */
const oddKeys = ['items', 'keys', 'values', 'get', '0', '', 'a b', 'x.y'] as const;
const odd = casesAbout.data['odd'] as Readonly<Record<string, TemplateData>>;
const caseData = { ...casesAbout.data, odd: new Map(oddKeys.map((key) => [key, odd[key]])) };

/** The files of cases, without their ending. */
export const caseFamilies = readdirSync(folder)
  .filter((name) => name.endsWith('.json') && name !== 'about.json')
  .map((name) => name.slice(0, -'.json'.length));

/** Groups of a file of cases, by name. In the file, a template that is null is that of the case before. */
export function readCases(family: string): Record<string, TemplateCase[]> {
  const groups = JSON.parse(readFileSync(`${folder}${family}.json`, 'utf8')) as Record<string, [string | null, ...unknown[]][]>;
  for (const cases of Object.values(groups)) for (const [index, each] of cases.entries()) each[0] ??= cases[index - 1]![0];
  return groups as unknown as Record<string, TemplateCase[]>;
}

/** What differs from jinja2 in a case, ready to read; undefined where nothing does. */
export function caseDifference([template, want, error, name, now = casesAbout.now]: TemplateCase): string | undefined {
  const got = outcomeOf(template, name ? templateConversations[name]! : { messages: [] }, new Date(now));
  const wanted = want === null ? `an error (${error})` : JSON.stringify(want);
  if (want !== null ? got.text === want : got.error !== undefined && isRightError(got.error, error!)) return undefined;
  const shown = got.error === undefined ? JSON.stringify(got.text) : `${got.error.name}: ${got.error.message.slice(0, 200)}`;
  return `${JSON.stringify(template)}${name ? ` with "${name}"` : ''}\n    want ${wanted}\n    got  ${shown}`;
}

/** jinja2 itself raises classes derived from TemplateError; the class as it is comes from raise_exception. */
function isRightError(error: Error, name: string): boolean {
  return name === 'TemplateError' ? error instanceof InputError : error instanceof FormatError || error instanceof InputError;
}

function outcomeOf(template: string, conversation: TemplateConversation, now: Date): { text?: string; error?: Error } {
  try {
    const { messages, tools, addGenerationPrompt = true, vars } = conversation;
    const text = renderChat(template, { messages, tools, addGenerationPrompt, variables: { ...caseData, ...vars }, now });
    return { text };
  } catch (error) {
    return { error: error as Error };
  }
}
