/** Ingot with several requests at the same time, as its readers see it. */
import type { Model } from '../engine/api.ts';
import type { Arrival, StreamRequest, StreamTimes } from './stream-load.ts';

/** Greedy, past end tokens, and no prompt from a cache. */
const SETTINGS = { temperature: 0, ignoreEos: true, cachePrompt: false } as const;

/** Opens when it is told of so many tokens. */
function gateAt(tokens: number): { readonly opened: Promise<void>; tell(tokensSoFar: number): void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const tell = (soFar: number) => void (soFar >= tokens && open());
  tell(0);
  return { opened, tell };
}

/** Answers all requests. Rejects where an answer is not as long as it was to be, or a prompt came from a cache. */
export async function answerTogether(model: Model, requests: readonly StreamRequest[]): Promise<StreamTimes[]> {
  const startMs = performance.now();
  const now = () => performance.now() - startMs;
  const gates = requests.map(({ afterTokens = 0 }) => gateAt(afterTokens));
  const answer = async ({ ids, answerTokens }: StreamRequest, i: number): Promise<StreamTimes> => {
    await gates[i]?.opened;
    const askedMs = now();
    const arrivals: Arrival[] = [];
    const maxTokens = answerTokens + 1;
    let count = 0;
    for await (const { tokens, finishReason, ...piece } of model.generate({ ...SETTINGS, ids, maxTokens })) {
      arrivals.push({ ms: now(), tokens: tokens.length });
      count += tokens.length;
      if (i === 0) for (const gate of gates) gate.tell(count);
      if (finishReason !== undefined && 'usage' in piece && piece.usage.cachedTokens > 0)
        throw new Error(`${piece.usage.cachedTokens} prompt tokens came from a cache: a prefill would look too fast`);
    }
    if (count !== maxTokens) throw new Error(`${count} tokens came instead of ${maxTokens}`);
    return { askedMs, arrivals };
  };
  return Promise.all(requests.map(answer));
}
