/** Several requests at the same time, as their readers see them, whoever answers. */
import type { Model } from '../engine/api.ts';
import type { Arrival, StreamRequest, StreamTimes } from './stream-load.ts';

/** Tokens that came together; the last ones say how many of the prompt's came from a cache. */
export interface AnsweredTokens {
  readonly tokens: number;
  /** When they came, by `performance.now()`; default: as they are taken. */
  readonly at?: number | undefined;
  readonly cachedTokens?: number | undefined;
}

/** Answers one request: greedy, past end tokens, `answerTokens` and one more. */
export type Answering = (request: StreamRequest) => AsyncIterable<AnsweredTokens>;

/** Opens when it is told of so many tokens. */
function gateAt(tokens: number): { readonly opened: Promise<void>; tell(tokensSoFar: number): void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const tell = (soFar: number) => void (soFar >= tokens && open());
  tell(0);
  return { opened, tell };
}

/** Answers all requests. Rejects where an answer is not as long as it was to be, or a prompt came from a cache. */
export async function answerTogether(answering: Answering, requests: readonly StreamRequest[]): Promise<StreamTimes[]> {
  const startMs = performance.now();
  const gates = requests.map(({ afterTokens = 0 }) => gateAt(afterTokens));
  const answer = async (request: StreamRequest, i: number): Promise<StreamTimes> => {
    await gates[i]?.opened;
    const askedMs = performance.now() - startMs;
    const arrivals: Arrival[] = [];
    const maxTokens = request.answerTokens + 1;
    let count = 0;
    for await (const { tokens, at = performance.now(), cachedTokens = 0 } of answering(request)) {
      if (tokens > 0) arrivals.push({ ms: at - startMs, tokens });
      count += tokens;
      if (i === 0) for (const gate of gates) gate.tell(count);
      if (cachedTokens > 0) throw new Error(`${cachedTokens} prompt tokens came from a cache: a prefill would look too fast`);
    }
    if (count !== maxTokens) throw new Error(`${count} tokens came instead of ${maxTokens}`);
    return { askedMs, arrivals };
  };
  return Promise.all(requests.map(answer));
}

/** No prompt from a cache. */
const SETTINGS = { temperature: 0, ignoreEos: true, cachePrompt: false } as const;

/** By a model of this process. */
export function answeringModel(model: Model): Answering {
  return async function* ({ ids, answerTokens }) {
    for await (const { tokens, ...piece } of model.generate({ ...SETTINGS, ids, maxTokens: answerTokens + 1 }))
      yield { tokens: tokens.length, cachedTokens: piece.usage?.cachedTokens ?? 0 };
  };
}
