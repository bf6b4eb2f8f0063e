/** What every engine that is only asked has in common. */
import { warmed } from '../engine.ts';
import type { Conversation, OpenEngine, StructuredAnswer, StructuredRequest, TurnTimes } from '../engine.ts';
import type { ServedLoad, StreamRequest, StreamTimes } from '../stream-load.ts';
import type { RemoteAnswer, RemoteClient } from './remote-client.ts';

const firstMs = ({ arrivals }: RemoteAnswer) => arrivals[0]!.ms;

/** Tokens a second after the first piece. @throws Error where the answer ended long before it was to */
function rateOf(answer: RemoteAnswer, wanted: number): number {
  const { arrivals, tokens } = answer;
  if (tokens < wanted / 2) throw new Error(`the model ended its answer after ${tokens} of ${wanted} tokens`);
  const last = arrivals.at(-1)!.ms;
  if (arrivals.length < 2 || last <= firstMs(answer)) throw new Error('the whole answer came at once: the server does not stream');
  const spanMs = last - firstMs(answer);
  // A busy machine lets its client see pieces late and together: a rate of those would be of nothing.
  if (spanMs < (answer.decodeMs ?? 0) / 2)
    throw new Error(`pieces of ${Math.round(answer.decodeMs!)} ms came within ${Math.round(spanMs)}: this machine is too busy`);
  return (1000 * (tokens - arrivals[0]!.tokens)) / spanMs;
}

export function openRemote(client: RemoteClient): OpenEngine {
  const ask = (ids: readonly number[], maxTokens: number) => client.complete(ids, maxTokens);
  return {
    facts: client.facts,
    async prefill(ids) {
      await warmed(() => ask(ids.toReversed(), 1));
      const answer = await ask(ids, 1);
      return (1000 * (answer.promptTokens - answer.cachedTokens)) / firstMs(answer);
    },
    firstToken: async (ids) => firstMs(await ask(ids, 16)),
    async decode(ids, count) {
      await ask(ids.toReversed(), count + 1);
      return rateOf(await ask(ids, count + 1), count + 1);
    },
    converse: (conversation) => converse(client, conversation),
    async serve(requests) {
      await serveAll(client, requests);
      return serveAll(client, requests);
    },
    answerInForm: (request) => answerInForm(client, request),
    close: async () => client.close?.(),
  };
}

async function converse(client: RemoteClient, { turns, answerTokens, reusesPrefix }: Conversation): Promise<TurnTimes[]> {
  const times: TurnTimes[] = [];
  const messages: { role: 'user' | 'assistant'; content: string }[] = [];
  const opening = client.words([client.next()]);
  for (const ids of turns) {
    messages.push({ role: 'user', content: client.words(ids) });
    // A conversation that begins otherwise has no prefix in any cache.
    const begin = reusesPrefix ? opening : client.words([client.next(), ...ids.slice(0, 3)]);
    const [first, ...rest] = messages;
    const answer = await client.chat([{ ...first!, content: `${begin} ${first!.content}` }, ...rest], { maxTokens: answerTokens });
    messages.push({ role: 'assistant', content: answer.text });
    const [from, to] = [firstMs(answer), answer.arrivals.at(-1)!.ms];
    const tokensPerSecond = to > from ? (1000 * (answer.tokens - answer.arrivals[0]!.tokens)) / (to - from) : undefined;
    times.push({ firstMs: from, tokensPerSecond });
  }
  return times;
}

async function serveAll(client: RemoteClient, requests: readonly StreamRequest[]): Promise<ServedLoad> {
  const startMs = performance.now();
  const answer = async ({ ids, answerTokens }: StreamRequest): Promise<StreamTimes> => {
    const askedMs = performance.now() - startMs;
    const { arrivals, tokens } = await client.complete(ids, answerTokens + 1);
    if (tokens < (answerTokens + 1) / 2) throw new Error(`the model ended its answer after ${tokens} of ${answerTokens + 1} tokens`);
    return { askedMs, arrivals: arrivals.map((piece) => ({ ...piece, ms: askedMs + piece.ms })) };
  };
  return { streams: await Promise.all(requests.map(answer)), hasMeanGaps: false };
}

async function answerInForm(client: RemoteClient, { ids, schema, maxTokens }: StructuredRequest): Promise<StructuredAnswer> {
  const content = client.words([client.next(), ...ids]);
  const answer = await client.chat([{ role: 'user', content }], { maxTokens, schema });
  const { text, tokens, arrivals, hasEnded } = answer;
  return { text, tokens, firstMs: firstMs(answer), allMs: arrivals.at(-1)!.ms, hasEnded };
}
