/** Conversations whose last message goes on, and what transformers leaves of them (scripts/fixtures/continued_chats.py). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { FormatError, InputError } from '../src/tensor/errors.ts';
import { parseChatTemplate } from '../src/text/chat-template.ts';
import { renderContinued } from '../src/text/continued-chat.ts';
import { fixturesPath } from './fixture-tensors.ts';

interface ContinuedConversation {
  readonly messages: readonly object[];
  readonly tools?: readonly object[];
}

/** Digest and length in characters, or the class of an error. */
type Digest = readonly [digest: string, characters: number] | string;

/** Outcomes are in the order of the conversations. */
export const continuedCases = JSON.parse(readFileSync(`${fixturesPath}templates/continued.json`, 'utf8')) as {
  readonly now: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly conversations: Readonly<Record<string, ContinuedConversation>>;
  readonly texts: Readonly<Record<string, readonly (string | { readonly error: string })[]>>;
  readonly digests: Readonly<Record<string, readonly Digest[]>>;
};

function render(source: string, { messages, tools }: ContinuedConversation): string | Error {
  try {
    const options = { messages, tools, specialTokens: continuedCases.variables, now: new Date(continuedCases.now) };
    const { text, segments } = renderContinued(parseChatTemplate(source), options);
    return segments.map((segment) => segment.text).join('') === text ? text : new Error('the segments are not the text');
  } catch (error) {
    return error as Error;
  }
}

function agrees(got: string | Error, want: string | { readonly error: string } | Digest): boolean {
  if (typeof got !== 'string') return (got instanceof InputError || got instanceof FormatError) && isError(want);
  if (typeof want === 'string') return got === want;
  if (!Array.isArray(want)) return false;
  const digest = createHash('sha256').update(got).digest('hex').slice(0, 16);
  return digest === want[0] && [...got].length === want[1];
}

function isError(want: string | { readonly error: string } | Digest): boolean {
  return typeof want === 'string' ? /^\w+Error$/.test(want) : !Array.isArray(want);
}

/** What differs, ready to read. */
export function continuedDifferences(source: string, wanted: readonly (string | { readonly error: string } | Digest)[]): string[] {
  return Object.entries(continuedCases.conversations).flatMap(([name, conversation], i) => {
    const got = render(source, conversation);
    const shown = typeof got === 'string' ? JSON.stringify(got.slice(-200)) : `${got.name}: ${got.message.slice(0, 200)}`;
    return agrees(got, wanted[i]!) ? [] : [`${name}\n    want ${JSON.stringify(wanted[i]).slice(-200)}\n    got  ${shown}`];
  });
}
