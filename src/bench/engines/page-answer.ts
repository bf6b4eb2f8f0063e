/** What pages of engines are asked, and how an answer's pieces are timed there. Runs in a browser; nothing is imported. */

/** What a page is told of a model of a GGUF file. */
export interface Opening {
  readonly contextLength: number;
  readonly threads?: number;
  readonly isGpu: boolean;
  /** Of keys and values, as Ingot names them; undefined: the engine's own choice. */
  readonly kvType?: string;
}

export interface Asking {
  /** Of a prompt, where the engine takes them; else words of messages. */
  readonly ids?: readonly number[];
  readonly messages?: readonly object[];
  readonly maxTokens: number;
}

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

/** A piece of an answer of Ingot's. */
interface Piece {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly finishReason?: string | undefined;
  readonly usage?: { readonly promptTokens: number; readonly completionTokens: number; readonly cachedTokens: number } | undefined;
}

/** The same of pieces that say which tokens they have. */
export async function timedPieces(pieces: AsyncIterable<Piece>, startMs: number): Promise<object> {
  const arrivals: { ms: number; tokens: number }[] = [];
  let [text, last] = ['', undefined as Piece | undefined];
  for await (const piece of pieces) {
    if (piece.tokens.length > 0) arrivals.push({ ms: performance.now() - startMs, tokens: piece.tokens.length });
    text += piece.text;
    last = piece;
  }
  const { promptTokens = 0, completionTokens = 0, cachedTokens = 0 } = last?.usage ?? {};
  return { text, tokens: completionTokens, promptTokens, cachedTokens, arrivals, hasEnded: last?.finishReason === 'stop' };
}
