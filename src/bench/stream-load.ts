/** Several requests at a time, and what their readers see of them. */

/** One of the requests that are answered together. */
export interface StreamRequest {
  readonly ids: readonly number[];
  /** Tokens of the answer after its first. */
  readonly answerTokens: number;
  /** It is made when the answer to the first request has so many tokens. Default 0: at once. */
  readonly afterTokens?: number | undefined;
}

/** Tokens that a reader was given together, and when, in milliseconds from the beginning of the load. */
export interface Arrival {
  readonly ms: number;
  readonly tokens: number;
}

export interface StreamTimes {
  /** When the request was made, in milliseconds from the beginning of the load. */
  readonly askedMs: number;
  readonly arrivals: readonly Arrival[];
}

export interface ServedLoad {
  /** In the order of the requests. */
  readonly streams: readonly StreamTimes[];
  /** The engine tells only how long all tokens took, so that its gaps are means. */
  readonly hasMeanGaps: boolean;
}

/** The least value that `share` of all are not above: the nearest rank. @param values at least one */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
}

const firstOf = ({ arrivals }: StreamTimes) => arrivals[0] as Arrival;
const lastOf = ({ arrivals }: StreamTimes) => arrivals.at(-1) as Arrival;

/** Milliseconds that the reader of a stream waited for each piece after the first. @param fromMs those alone that came after it */
export function gapsOf({ arrivals }: StreamTimes, fromMs = 0): number[] {
  return arrivals.slice(1).flatMap(({ ms }, i) => (ms > fromMs ? [ms - (arrivals[i] as Arrival).ms] : []));
}

export const firstWait = (stream: StreamTimes) => firstOf(stream).ms - stream.askedMs;

/** Tokens per second of all answers, their first tokens left out, from the first request to the last token. */
export function answerRate({ streams }: ServedLoad): number {
  const tokens = streams.reduce((sum, { arrivals }) => sum + arrivals.reduce((own, piece) => own + piece.tokens, 0) - 1, 0);
  const startMs = Math.min(...streams.map(({ askedMs }) => askedMs));
  return (1000 * tokens) / (Math.max(...streams.map((stream) => lastOf(stream).ms)) - startMs);
}

/** Tokens per second while all streams decode: from the last one's first token to the first one's end; undefined where that is no time. */
export function decodeRate({ streams }: ServedLoad): number | undefined {
  const fromMs = Math.max(...streams.map((stream) => firstOf(stream).ms));
  const toMs = Math.min(...streams.map((stream) => lastOf(stream).ms));
  if (toMs <= fromMs) return undefined;
  const within = streams.flatMap(({ arrivals }) => arrivals.filter(({ ms }) => ms > fromMs && ms <= toMs));
  return (1000 * within.reduce((sum, { tokens }) => sum + tokens, 0)) / (toMs - fromMs);
}
