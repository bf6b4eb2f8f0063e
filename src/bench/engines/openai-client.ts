/** Asks a server in OpenAI's form, and times what comes. */
import { existsSync } from 'node:fs';
import { packageVersion } from '../../node/package-root.ts';
import { eventsOf } from '../server-process.ts';
import type { TimedEvent } from '../server-process.ts';
import { wordsOf } from './remote-client.ts';
import type { RemoteAnswer, RemoteClient } from './remote-client.ts';

export interface OpenAiServer {
  /** Up to `/v1`. */
  readonly url: string;
  readonly model: string;
  readonly key: string | undefined;
}

/** What a server takes beyond the form: token ids as a prompt, and not to stop at end tokens. */
interface Abilities {
  readonly takesIds: boolean;
  readonly goesOn: boolean;
  /** What it says of itself in every answer. */
  readonly fingerprint: string | undefined;
}

/** What a server lists of a model. */
interface ListedModel {
  readonly id: string;
  readonly owned_by?: string | undefined;
}

/** Names without a tag are of the latest (Ollama); a folder is loaded by its path, and not listed (mlx-lm). */
function checkListed({ url, model }: OpenAiServer, listed: readonly ListedModel[] | undefined): void {
  if (listed === undefined || existsSync(model)) return;
  const names = listed.map(({ id }) => id);
  if (names.includes(model) || names.includes(`${model}:latest`)) return;
  throw new Error(`${url} has no model ${JSON.stringify(model)}; it lists ${names.slice(0, 10).join(', ') || 'none'}`);
}

/** @throws Error where nobody listens, or the model is not there */
export async function createOpenAiClient(server: OpenAiServer): Promise<RemoteClient> {
  const listed = await modelsOf(server);
  checkListed(server, listed);
  const abilities = await abilitiesOf(server);
  const { name, version } = await describeServer(server, abilities.fingerprint, listed);
  const flags = {
    server: name, weights: 'the server\'s own', prompts: abilities.takesIds ? 'ids' : 'words',
    // Servers that know no such word mostly take it without a word of theirs: whether they obey, only an answer that ends shows.
    pastEndTokens: abilities.goesOn ? 'asked for' : 'refused',
  };
  let calls = 0;
  const next = () => ++calls;
  const beyond = abilities.goesOn ? { ignore_eos: true } : {};
  return {
    facts: { version, device: `server at ${new URL(server.url).host}`, flags },
    next,
    words: wordsOf,
    complete: (ids, maxTokens) =>
      abilities.takesIds
        ? ask(server, '/completions', { prompt: [ids[0]! + next(), ...ids.slice(1)], max_tokens: maxTokens, ...beyond })
        : ask(server, '/chat/completions', {
            messages: [{ role: 'user', content: `${next()} ${wordsOf(ids)}` }], max_tokens: maxTokens, ...beyond,
          }),
    chat: (messages, { maxTokens, schema }) =>
      ask(server, '/chat/completions', {
        messages, max_tokens: maxTokens,
        ...(schema === undefined
          ? beyond
          : { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } } }),
      }),
  };
}

async function ask({ url, model, key }: OpenAiServer, path: string, body: object): Promise<RemoteAnswer> {
  const startMs = performance.now();
  const asked = { model, temperature: 0, stream: true, stream_options: { include_usage: true }, ...body };
  return answerOf(await eventsOf(`${url}${path}`, asked, { key }), startMs);
}

/** Of a piece that came: what is said, thought or called. */
function textOf({ choices }: any): string {
  const [choice] = choices ?? [];
  if (choice === undefined) return '';
  const { content, reasoning_content: thought, reasoning } = choice.delta ?? {};
  return `${thought ?? reasoning ?? ''}${content ?? choice.text ?? ''}`;
}

/** @throws Error for an answer without a token, or without the counts */
export function answerOf(events: readonly TimedEvent[], startMs: number): RemoteAnswer {
  const usage = events.findLast(({ value }) => value.usage)?.value.usage;
  if (usage === undefined) throw new Error('the server does not count tokens (stream_options.include_usage)');
  const reason = events.findLast(({ value }) => value.choices?.[0]?.finish_reason)?.value.choices[0].finish_reason;
  // Pieces without text are the role's, or the halves of characters; the first token may be one of those.
  const pieces = events.map(({ at, value }) => ({ ms: at - startMs, text: textOf(value) })).filter(({ text }) => text !== '');
  const shown = pieces.length > 0 ? pieces : events.slice(0, 1).map(({ at }) => ({ ms: at - startMs, text: '' }));
  const tokens: number = usage.completion_tokens;
  if (shown.length === 0 || tokens < 1) throw new Error('the model answered nothing');
  // Servers say how many tokens came in all: they are spread over the pieces.
  const until = (piece: number) => Math.floor((piece * tokens) / shown.length);
  return {
    text: shown.map(({ text }) => text).join(''), tokens, promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    arrivals: shown.map(({ ms }, i) => ({ ms, tokens: until(i + 1) - until(i) })), hasEnded: reason === 'stop',
    // llama-server's (tools/server/README.md, "timings").
    decodeMs: events.findLast(({ value }) => value.timings?.predicted_ms)?.value.timings.predicted_ms,
    fingerprint: events.find(({ value }) => value.system_fingerprint)?.value.system_fingerprint,
  };
}

async function get({ key }: OpenAiServer, url: string | URL): Promise<any> {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(5000) });
  return response.ok ? response.json() : undefined;
}

async function modelsOf(server: OpenAiServer): Promise<readonly ListedModel[] | undefined> {
  try {
    return (await get(server, `${server.url}/models`))?.data;
  } catch (error) {
    throw new Error(`nobody answers at ${server.url}/models: ${(error as Error).message}`, { cause: error });
  }
}

/** Eight ids that are counted as eight were read as ids. A server that refuses a word of a request is asked without it. */
async function abilitiesOf(server: OpenAiServer): Promise<Abilities> {
  const ids = Array.from({ length: 8 }, (_, i) => 300 + 7 * i);
  const tries = (path: string, body: object) => ask(server, path, { max_tokens: 2, ...body }).catch(() => undefined);
  const messages = [{ role: 'user', content: wordsOf(ids) }];
  const read = (await tries('/completions', { prompt: ids, ignore_eos: true })) ?? (await tries('/completions', { prompt: ids }));
  const takesIds = read?.promptTokens === ids.length;
  const [path, prompt] = takesIds ? ['/completions', { prompt: ids }] : ['/chat/completions', { messages }];
  const past = await tries(path as string, { ...(prompt as object), ignore_eos: true });
  return { takesIds, goesOn: past !== undefined, fingerprint: past?.fingerprint ?? read?.fingerprint };
}

/** Each with a page of its own that says the version. */
const PAGES: readonly (readonly [name: string, path: string, versionOf: (page: any) => unknown])[] = [
  ['llama-server', '/props', (page) => page?.build_info],
  ['LM Studio', '/api/v0/models', (page) => (page?.data?.[0]?.quantization === undefined ? undefined : 'not told')],
  ['vLLM', '/version', (page) => page?.version],
  ['Ollama', '/api/version', (page) => page?.version],
];

interface ServerName {
  readonly name: string;
  readonly version: string;
}

async function describeServer(
  server: OpenAiServer, fingerprint: string | undefined, listed: readonly ListedModel[] | undefined,
): Promise<ServerName> {
  // It answers Ollama's clients too.
  if (listed?.some(({ owned_by }) => owned_by === 'ingot')) return { name: 'ingot serve', version: packageVersion() };
  const mlx = /^(\d+\.\d+\.\d+\S*?)-(\d+\.\d+\.\d+\S*?)-(?:macOS|Linux|Darwin)/.exec(fingerprint ?? '');
  if (mlx !== null) return { name: 'mlx-lm', version: `${mlx[1]} (mlx ${mlx[2]})` };
  for (const [name, path, versionOf] of PAGES) {
    const version = versionOf(await get(server, new URL(path, server.url)).catch(() => undefined));
    if (typeof version === 'string') return { name, version };
  }
  return { name: 'unknown', version: 'unknown' };
}
