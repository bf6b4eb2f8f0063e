/**
 * Figures in Prometheus' text form: under the names that vLLM gave them, which routers and dashboards read, and under our own.
 * Form: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import type { Model } from '../engine/api.ts';
import type { RequestRecord } from './api.ts';

type Labels = Readonly<Record<string, string>>;

/** Upper bounds of buckets, in seconds. */
const LATENCY = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300] as const;
const GAP = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5] as const;

interface Histogram {
  readonly bounds: readonly number[];
  /** By bound, and of what is beyond the last. */
  readonly counts: number[];
  sum: number;
}

function histogram(bounds: readonly number[]): Histogram {
  return { bounds, counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 };
}

function observe(to: Histogram, value: number, times = 1): void {
  const at = to.bounds.findIndex((bound) => value <= bound);
  const bucket = at === -1 ? to.bounds.length : at;
  to.counts[bucket] = (to.counts[bucket] as number) + times;
  to.sum += value * times;
}

/** What is counted of the requests to one model. */
interface ModelCounts {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  /** By outcome. */
  readonly requests: Map<RequestRecord['outcome'], number>;
  readonly firstToken: Histogram;
  readonly gap: Histogram;
  readonly total: Histogram;
}

export interface Metrics {
  /** A request is over. */
  count(record: RequestRecord): void;
  /** All figures, as they are now. */
  print(models: ReadonlyMap<string, Model>, active: number): string;
}

function newCounts(): ModelCounts {
  return {
    promptTokens: 0, cachedTokens: 0, completionTokens: 0, requests: new Map(), firstToken: histogram(LATENCY), gap: histogram(GAP),
    total: histogram(LATENCY),
  };
}

function countRecord(counts: ModelCounts, record: RequestRecord): void {
  const { promptTokens, cachedTokens, completionTokens, firstTokenMs, totalMs, outcome } = record;
  counts.promptTokens += promptTokens;
  counts.cachedTokens += cachedTokens;
  counts.completionTokens += completionTokens;
  counts.requests.set(outcome, (counts.requests.get(outcome) ?? 0) + 1);
  observe(counts.total, totalMs / 1000);
  if (firstTokenMs === undefined) return;
  observe(counts.firstToken, firstTokenMs / 1000);
  const gaps = completionTokens - 1;
  // Of several answers at once it is the time for a token of any of them.
  if (gaps > 0) observe(counts.gap, (totalMs - firstTokenMs) / 1000 / gaps, gaps);
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function labelled(name: string, labels: Labels): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escape(value)}"`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
}

/** One metric of several models. */
interface Family {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly values: readonly (readonly [labels: Labels, value: number])[];
}

function printFamily({ name, type, help, values }: Family): string {
  const lines = values.map(([labels, value]) => `${labelled(name, labels)} ${value}`);
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n');
}

function printHistogram(name: string, help: string, all: readonly (readonly [Labels, Histogram])[]): string {
  const lines = all.flatMap(([labels, { bounds, counts, sum }]) => {
    let count = 0;
    const buckets = [...bounds.map(String), '+Inf'].map((le, index) => {
      count += counts[index] as number;
      return `${labelled(`${name}_bucket`, { ...labels, le })} ${count}`;
    });
    return [...buckets, `${labelled(`${name}_sum`, labels)} ${sum}`, `${labelled(`${name}_count`, labels)} ${count}`];
  });
  return [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...lines, ''].join('\n');
}

/** Gauges of how busy models are. */
function loadFamilies(models: ReadonlyMap<string, Model>): Family[] {
  const of = (value: (model: Model) => number) => [...models].map(([name, model]) => [{ model_name: name }, value(model)] as const);
  const share = ({ info: { load: { pages } } }: Model) => pages.held / pages.most;
  const gauge = (name: string, help: string, value: (model: Model) => number): Family => ({ name, type: 'gauge', help, values: of(value) });
  const memory = [...models].flatMap(([name, { info }]) => {
    const { weightBytes, kvBytes, workBytes } = info.memory;
    return Object.entries({ weights: weightBytes, cache: kvBytes, work: workBytes }).map(
      ([kind, bytes]) => [{ model_name: name, kind }, bytes] as const,
    );
  });
  const cache = [...models].map(([name, { info: { load, kvType } }]) => {
    const labels = {
      model_name: name, block_size: String(load.pageTokens), num_gpu_blocks: String(load.pages.most), cache_dtype: kvType,
      enable_prefix_caching: 'True',
    };
    return [labels, 1] as const;
  });
  return [
    gauge('vllm:num_requests_running', 'Answers that share the steps of the model.', ({ info }) => info.load.running),
    gauge('vllm:num_requests_waiting', 'Answers that wait for their first step.', ({ info }) => info.load.waiting),
    gauge('vllm:kv_cache_usage_perc', 'Share of the pages of keys and values that are held; 1 is all.', share),
    gauge('vllm:gpu_cache_usage_perc', 'The older name of vllm:kv_cache_usage_perc.', share),
    { name: 'vllm:cache_config_info', type: 'gauge', help: 'How keys and values are kept.', values: cache },
    gauge('ingot_cached_pages', 'Pages that stay for prompts that begin as others did.', ({ info }) => info.load.pages.cached),
    { name: 'ingot_memory_bytes', type: 'gauge', help: 'Memory of the device, by kind.', values: memory },
  ];
}

type Counted = readonly (readonly [name: string, counts: ModelCounts])[];

const TOKENS = [
  ['vllm:prompt_tokens_total', 'Tokens of prompts.', (counts: ModelCounts) => counts.promptTokens],
  ['vllm:generation_tokens_total', 'Tokens of answers.', (counts: ModelCounts) => counts.completionTokens],
  ['vllm:prefix_cache_queries_total', 'Tokens of prompts that were looked for in the cache.', (counts: ModelCounts) => counts.promptTokens],
  ['vllm:prefix_cache_hits_total', 'Those of them that were there.', (counts: ModelCounts) => counts.cachedTokens],
  ['vllm:gpu_prefix_cache_queries_total', 'The older name of the same.', (counts: ModelCounts) => counts.promptTokens],
  ['vllm:gpu_prefix_cache_hits_total', 'The older name of the same.', (counts: ModelCounts) => counts.cachedTokens],
] as const;

function tokenFamilies(counted: Counted): Family[] {
  return TOKENS.map(([name, help, value]) => ({
    name, type: 'counter', help, values: counted.map(([model, counts]) => [{ model_name: model }, value(counts)] as const),
  }));
}

function requestFamily(counted: Counted, refused: number): Family {
  const ofModels = counted.flatMap(([model, { requests }]) =>
    [...requests].map(([outcome, count]) => [{ model_name: model, outcome }, count] as const));
  const values = [...ofModels, [{ model_name: '', outcome: 'refused' }, refused] as const];
  return { name: 'ingot_requests_total', type: 'counter', help: 'Requests that are over; those of no model have no name.', values };
}

/** Counts from when it is made. */
export function createMetrics(): Metrics {
  const byModel = new Map<string, ModelCounts>();
  let refused = 0;
  return {
    count(record) {
      const { model } = record;
      if (model === undefined) return void (refused += record.outcome === 'done' ? 0 : 1);
      const counts = byModel.get(model) ?? newCounts();
      byModel.set(model, counts);
      countRecord(counts, record);
    },
    print(models, active) {
      const counted: Counted = [...models.keys()].map((name) => [name, byModel.get(name) ?? newCounts()] as const);
      const histograms = (pick: (counts: ModelCounts) => Histogram) =>
        counted.map(([name, counts]) => [{ model_name: name }, pick(counts)] as const);
      const families = [
        ...loadFamilies(models), ...tokenFamilies(counted), requestFamily(counted, refused),
        { name: 'ingot_requests_active', type: 'gauge', help: 'Requests at work.', values: [[{}, active]] } as const,
      ];
      return [
        ...families.map(printFamily),
        printHistogram('vllm:time_to_first_token_seconds', 'From a request to its first token.', histograms((counts) => counts.firstToken)),
        printHistogram('vllm:inter_token_latency_seconds', 'Between two tokens of a request.', histograms((counts) => counts.gap)),
        printHistogram('vllm:e2e_request_latency_seconds', 'From a request to its end.', histograms((counts) => counts.total)),
      ].join('');
    },
  };
}
