/** The clients' own declarations say which parameters there are: each is in the table of its route, obeyed or refused. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ROUTES } from './routes.ts';

const modules = new URL('../../node_modules/', import.meta.url);

/** Names of an interface's members, as a package's declarations have them. */
function membersOf(file: string, name: string): string[] {
  const text = readFileSync(new URL(file, modules), 'utf8');
  const [, body] = new RegExp(`export interface ${name}\\b[^{]*\\{\\n([^]*?)\\n\\}`).exec(text) ?? [];
  return [...(body ?? '').matchAll(/^ {4}'?([a-z_]+)'?\??:/gm)].map(([, member]) => member);
}

it.each([
  ['/v1/chat/completions', 'openai/resources/chat/completions/completions.d.ts', 'ChatCompletionCreateParamsBase', []],
  ['/v1/completions', 'openai/resources/completions.d.ts', 'CompletionCreateParamsBase', []],
  ['/v1/embeddings', 'openai/resources/embeddings.d.ts', 'EmbeddingCreateParams', []],
  ['/v1/responses', 'openai/resources/responses/responses.d.ts', 'ResponseCreateParamsBase', []],
  ['/v1/audio/transcriptions', 'openai/resources/audio/transcriptions.d.ts', 'TranscriptionCreateParamsBase', []],
  ['/v1/audio/translations', 'openai/resources/audio/translations.d.ts', 'TranslationCreateParams', []],
  ['/v1/messages', '@anthropic-ai/sdk/resources/messages/messages.d.ts', 'MessageCreateParamsBase', []],
  ['/v1/messages/count_tokens', '@anthropic-ai/sdk/resources/messages/messages.d.ts', 'MessageCountTokensParams', []],
  // Goes as a header.
  ['/v1/messages', '@anthropic-ai/sdk/resources/beta/messages/messages.d.ts', 'MessageCreateParamsBase', ['betas']],
] as const)('%s: %s %s', (path, file, name, elsewhere: readonly string[]) => {
  const members = membersOf(file, name);
  expect(members).toContain('model');
  expect(members.length).toBeGreaterThan(4);
  const { parameters, form } = ROUTES.find((route) => route.path === path)!;
  const table = parameters ?? form!;
  expect(members.filter((member) => !(member in table) && !elsewhere.includes(member))).toEqual([]);
});
