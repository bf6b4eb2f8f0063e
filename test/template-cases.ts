/** Recorded cases of chat templates: what jinja2 makes of a template, as scripts/fixtures/jinja_cases.py wrote it down. */
import { readdirSync, readFileSync } from 'node:fs';
import { FormatError, InputError } from '../src/tensor/errors.ts';
import { renderChat } from '../src/text/chat-template.ts';
import type { TemplateData } from '../src/text/chat-template.ts';
import { fixturesPath } from './fixture-tensors.ts';

/** What a case is rendered with besides the data that all cases share. */
interface CaseInput {
  readonly vars?: Readonly<Record<string, TemplateData>>;
  readonly messages?: readonly object[];
  readonly tools?: readonly object[];
  readonly addGenerationPrompt?: boolean;
}

/** [template, text], or [template, null, class of jinja2's error]; the input, where a case has its own, comes last. */
export type TemplateCase = readonly [template: string, want: string | null, error?: string | null, input?: CaseInput];

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

export const casesAbout = JSON.parse(readFileSync(`${folder}about.json`, 'utf8')) as CasesAbout;

/** The files of cases, without their ending. */
export const caseFamilies = readdirSync(folder)
  .filter((name) => name.endsWith('.json') && name !== 'about.json')
  .map((name) => name.slice(0, -'.json'.length));

/** Groups of a file of cases, by name. */
export function readCases(family: string): Record<string, TemplateCase[]> {
  return JSON.parse(readFileSync(`${folder}${family}.json`, 'utf8')) as Record<string, TemplateCase[]>;
}

/** What differs from jinja2 in a case, ready to read; undefined where nothing does. */
export function caseDifference([template, want, error, input = {}]: TemplateCase): string | undefined {
  const got = outcomeOf(template, input);
  const wanted = want === null ? `an error (${error})` : JSON.stringify(want);
  if (want !== null ? got.text === want : got.error !== undefined && isRightError(got.error, error!)) return undefined;
  const shown = got.error === undefined ? JSON.stringify(got.text) : `${got.error.name}: ${got.error.message.slice(0, 200)}`;
  return `${JSON.stringify(template)}\n    want ${wanted}\n    got  ${shown}`;
}

/** jinja2 itself raises classes derived from TemplateError; the class as it is comes from raise_exception. */
function isRightError(error: Error, name: string): boolean {
  return name === 'TemplateError' ? error instanceof InputError : error instanceof FormatError || error instanceof InputError;
}

function outcomeOf(template: string, input: CaseInput): { text?: string; error?: Error } {
  try {
    const { messages = [], tools, addGenerationPrompt = true, vars = {} } = input;
    const text = renderChat(template, { messages, tools, addGenerationPrompt, variables: { ...casesAbout.data, ...vars }, now: new Date(casesAbout.now) });
    return { text };
  } catch (error) {
    return { error: error as Error };
  }
}
