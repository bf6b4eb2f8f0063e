/**
 * What is counted of requests, under the names that vLLM gave them, which routers and dashboards read, and under our own. Labels are names
 * of models and a few fixed words, so that no client can make more of them.
 */
import type { FinishReason } from '../engine/api.ts';
import { loadFamilies } from './load-families.ts';
import { createHistogram, observe, printFamily } from './metrics-text.ts';
import type { Family, Histogram } from './metrics-text.ts';
import type { ModelPool } from './model-pool/model-pool.ts';
import type { RequestRecord } from './request-record.ts';

/** Upper bounds of buckets: seconds, seconds between tokens, tokens. */
const LATENCY = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300] as const;
const GAP = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const;
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144] as const;

type Ending = 'stop' | 'length' | 'abort' | 'error';
export const ENDINGS: Readonly<Record<FinishReason, Ending>> = { stop: 'stop', tool_calls: 'stop', length: 'length', context: 'length' };

/** What is counted of the requests to one model. */
export interface ModelCounts {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  readonly requests: Record<RequestRecord['outcome'], number>;
  /** Answers by how they ended; those of a request that was left or failed count once. */
  readonly answers: Record<Ending, number>;
  readonly queue: Histogram;
  readonly firstToken: Histogram;
  /** Of tokens: those that came together share the time since those before. */
  readonly gap: Histogram;
  /** Of pieces, as a client sees them. */
  readonly pieceGap: Histogram;
  readonly total: Histogram;
  readonly promptLengths: Histogram;
  readonly answerLengths: Histogram;
}

export interface Metrics {
  /** What is counted of a model, to be counted on. @param model a name that requests may have for one */
  of(model: string): ModelCounts;
  /** A request is over. */
  count(record: RequestRecord): void;
  /** All figures, as they are now. */
  print(models: Pick<ModelPool, 'names' | 'loaded'>, active: number): string;
}

function newCounts(): ModelCounts {
  return {
    promptTokens: 0, cachedTokens: 0, completionTokens: 0, requests: { done: 0, refused: 0, failed: 0, cancelled: 0 },
    answers: { stop: 0, length: 0, abort: 0, error: 0 }, queue: createHistogram(LATENCY), firstToken: createHistogram(LATENCY),
    gap: createHistogram(GAP), pieceGap: createHistogram(GAP), total: createHistogram(LATENCY), promptLengths: createHistogram(TOKENS),
    answerLengths: createHistogram(TOKENS),
  };
}

const FIGURES = [
  ['vllm:prompt_tokens_total', 'counter', 'Tokens of prompts.', ({ promptTokens }) => promptTokens],
  ['vllm:generation_tokens_total', 'counter', 'Tokens of answers.', ({ completionTokens }) => completionTokens],
  ['vllm:prefix_cache_queries_total', 'counter', 'Tokens that were looked for in the cache.', ({ promptTokens }) => promptTokens],
  ['vllm:prefix_cache_hits_total', 'counter', 'Those of them that were there.', ({ cachedTokens }) => cachedTokens],
  ['vllm:gpu_prefix_cache_queries_total', 'counter', 'An older name.', ({ promptTokens }) => promptTokens],
  ['vllm:gpu_prefix_cache_hits_total', 'counter', 'An older name.', ({ cachedTokens }) => cachedTokens],
  ['vllm:request_queue_time_seconds', 'histogram', 'From a request to its first step.', ({ queue }) => queue],
  ['vllm:time_to_first_token_seconds', 'histogram', 'From a request to its first token.', ({ firstToken }) => firstToken],
  ['vllm:inter_token_latency_seconds', 'histogram', 'Between two tokens of an answer.', ({ gap }) => gap],
  ['vllm:time_per_output_token_seconds', 'histogram', 'The older name of vllm:inter_token_latency_seconds.', ({ gap }) => gap],
  ['vllm:e2e_request_latency_seconds', 'histogram', 'From a request to its end.', ({ total }) => total],
  ['vllm:request_prompt_tokens', 'histogram', 'Tokens of a prompt.', ({ promptLengths }) => promptLengths],
  ['vllm:request_generation_tokens', 'histogram', 'Tokens of all answers to a request.', ({ answerLengths }) => answerLengths],
  ['ingot_queue_seconds', 'histogram', 'From a request to its first step.', ({ queue }) => queue],
  ['ingot_first_token_seconds', 'histogram', 'From a request to its first token.', ({ firstToken }) => firstToken],
  ['ingot_gap_seconds', 'histogram', 'Between two pieces of an answer, which may be of several tokens.', ({ pieceGap }) => pieceGap],
] as const satisfies readonly (readonly [
  name: string, type: Family['type'], help: string, value: (counts: ModelCounts) => number | Histogram,
])[];

type Counted = readonly (readonly [name: string, counts: ModelCounts])[];

function countedFamilies(counted: Counted, refused: number): Family[] {
  const requests = counted.flatMap(([model, counts]) =>
    Object.entries(counts.requests).map(([outcome, count]) => [{ model_name: model, outcome }, count] as const));
  const answers = counted.flatMap(([model, counts]) =>
    Object.entries(counts.answers).map(([ending, count]) => [{ model_name: model, finished_reason: ending }, count] as const));
  return [
    ...FIGURES.map(([name, type, help, value]): Family => ({
      name, type, help, values: counted.map(([model, counts]) => [{ model_name: model }, value(counts)]),
    })),
    { name: 'vllm:request_success_total', type: 'counter', help: 'Answers, by how they ended.', values: answers },
    {
      name: 'ingot_requests_total', type: 'counter', help: 'Requests that are over; those of no model have no name.',
      values: [...requests, [{ model_name: '', outcome: 'refused' }, refused]],
    },
  ];
}

/** Counts from when it is made. */
export function createMetrics(): Metrics {
  const byModel = new Map<string, ModelCounts>();
  let refused = 0;
  const of = (model: string) => {
    const counts = byModel.get(model) ?? newCounts();
    byModel.set(model, counts);
    return counts;
  };
  return {
    of,
    count(record) {
      if (record.model === undefined) refused += record.outcome === 'done' ? 0 : 1;
      else countRecord(of(record.model), record);
    },
    print({ names, loaded }, active) {
      const counted: Counted = names.map((name) => [name, of(name)] as const);
      const families: Family[] = [
        ...loadFamilies(loaded), ...countedFamilies(counted, refused),
        { name: 'ingot_requests_active', type: 'gauge', help: 'Requests at work.', values: [[{}, active]] },
      ];
      return families.map(printFamily).join('');
    },
  };
}

/** Its tokens, and its answers that came to their end, were counted as they came. */
function countRecord(counts: ModelCounts, { outcome, promptTokens, completionTokens, firstTokenMs, totalMs }: RequestRecord): void {
  counts.requests[outcome]++;
  if (outcome === 'cancelled') counts.answers.abort++;
  if (outcome === 'failed') counts.answers.error++;
  if (outcome !== 'done' && firstTokenMs === undefined) return;
  observe(counts.total, totalMs / 1000);
  observe(counts.promptLengths, promptTokens);
  if (firstTokenMs !== undefined) observe(counts.answerLengths, completionTokens);
}
