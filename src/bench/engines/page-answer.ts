/** How an answer's pieces are timed in a page. Runs in a browser; nothing is imported. */

/** A chunk of OpenAI's form, as both libraries give it. */
interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null }; readonly finish_reason?: string | null }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
  readonly timings?: { readonly cache_n?: number; readonly prompt_n: number; readonly predicted_n: number };
}

/** As `RemoteAnswer` has it. */
export async function timedAnswer(chunks: AsyncIterable<Chunk>, startMs: number): Promise<object> {
  const pieces: { ms: number; text: string }[] = [];
  let [tokens, promptTokens, cachedTokens, hasEnded] = [0, 0, 0, false];
  for await (const { choices = [], usage, timings } of chunks) {
    const text = choices[0]?.delta?.content ?? '';
    if (text !== '') pieces.push({ ms: performance.now() - startMs, text });
    if (choices[0]?.finish_reason === 'stop') hasEnded = true;
    if (usage) [promptTokens, tokens] = [usage.prompt_tokens, usage.completion_tokens];
    if (timings) {
      const { cache_n = 0, prompt_n, predicted_n } = timings;
      [promptTokens, tokens, cachedTokens] = [prompt_n + cache_n, predicted_n, cache_n];
    }
  }
  if (pieces.length === 0) pieces.push({ ms: performance.now() - startMs, text: '' });
  const until = (piece: number) => Math.floor((piece * tokens) / pieces.length);
  const arrivals = pieces.map(({ ms }, i) => ({ ms, tokens: until(i + 1) - until(i) }));
  return { text: pieces.map(({ text }) => text).join(''), tokens, promptTokens, cachedTokens, arrivals, hasEnded };
}
