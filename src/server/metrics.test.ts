import { describe, expect, it } from 'vitest';
import { post, serverRig } from '../../test/server-rig.ts';
import { createMetrics } from './metrics.ts';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What the endpoint picker of the Gateway API's inference extension and llm-d read, and dashboards made for vLLM. */
const ROUTERS_READ = [
  'num_requests_running', 'num_requests_waiting', 'kv_cache_usage_perc', 'gpu_cache_usage_perc', 'prefix_cache_queries_total',
  'prefix_cache_hits_total', 'gpu_prefix_cache_queries_total', 'gpu_prefix_cache_hits_total', 'cache_config_info', 'prompt_tokens_total',
  'generation_tokens_total', 'request_prompt_tokens_sum', 'request_generation_tokens_sum', 'request_queue_time_seconds_count',
  'time_per_output_token_seconds_count',
];

/**
 * A reader of Prometheus' text form, by its description (exposition_formats): refuses lines out of form, samples without a type before
 * them, families in two places, and the same sample twice.
 */
function readMetrics(text: string): { readonly types: Map<string, string>; readonly samples: Sample[] } {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  let family = '';
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (comment) {
      const [, kind, name, rest] = comment;
      if (kind === 'TYPE') {
        if (types.has(name)) throw new Error(`two types of ${name}`);
        if (!['counter', 'gauge', 'histogram', 'summary', 'untyped'].includes(rest)) throw new Error(`no such type: ${line}`);
        types.set(name, rest);
      }
      family = name;
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!sample) throw new Error(`no sample: ${line}`);
    const [, name, inside = '', number] = sample;
    const suffix = types.get(family) === 'histogram' ? /_(bucket|sum|count)$/ : /$^/;
    if (name.replace(suffix, '') !== family || !types.has(family)) throw new Error(`out of its family: ${line}`);
    const labels: Record<string, string> = {};
    const rest = inside.replaceAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/g, (_, label: string, value: string) => {
      labels[label] = value;
      return '';
    });
    if (rest !== '' || seen.has(`${name}{${inside}}`)) throw new Error(`out of form, or twice: ${line}`);
    seen.add(`${name}{${inside}}`);
    const value = number === '+Inf' ? Infinity : Number(number);
    if (Number.isNaN(value)) throw new Error(`no number: ${line}`);
    samples.push({ name, labels, value });
  }
  return { types, samples };
}

/** Buckets grow up to the count, in each histogram. */
function checkHistograms({ types, samples }: ReturnType<typeof readMetrics>): void {
  for (const [name] of [...types].filter(([, type]) => type === 'histogram')) {
    for (const { labels, value } of samples.filter((sample) => sample.name === `${name}_count`)) {
      const buckets = samples.filter((sample) => sample.name === `${name}_bucket` && sample.labels['model_name'] === labels['model_name']);
      const counts = buckets.map((bucket) => bucket.value);
      expect(counts).toEqual(counts.toSorted((a, b) => a - b));
      expect(buckets.at(-1)).toMatchObject({ labels: { le: '+Inf' }, value });
    }
  }
}

describe('metrics', () => {
  const rig = serverRig();
  const read = async () => {
    const response = await fetch(`${rig.origin}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    return readMetrics(await response.text());
  };
  const valueOf = ({ samples }: ReturnType<typeof readMetrics>, name: string, labels: Record<string, string> = {}) =>
    samples.find((sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value))?.value;

  it('are of form, and have the names that routers read, before any request and after', async () => {
    const before = await read();
    checkHistograms(before);
    for (const name of ROUTERS_READ)
      expect(before.samples.filter((sample) => sample.name === `vllm:${name}` && sample.labels['model_name'] === 'ember').length).toBe(1);
    expect(valueOf(before, 'vllm:generation_tokens_total')).toBe(0);
    const request = { model: 'ember', prompt: 'Once upon a time there was a fox. '.repeat(20), max_tokens: 5, temperature: 0 };
    const { body: { usage } } = await post(`${rig.origin}/v1/completions`, request);
    const { body: { usage: again } } = await post(`${rig.origin}/v1/completions`, request);
    await post(`${rig.origin}/v1/completions`, { ...request, model: 'other' });
    await post(`${rig.origin}/v1/completions`, { ...request, temperature: 9 });
    await post(`${rig.origin}/v1/completions`, { ...request, prompt: 'a '.repeat(2000) });
    const after = await read();
    checkHistograms(after);
    expect(valueOf(after, 'vllm:prompt_tokens_total')).toBe(2 * usage.prompt_tokens);
    expect(valueOf(after, 'vllm:generation_tokens_total')).toBe(10);
    expect(again.prompt_tokens_details.cached_tokens).toBeGreaterThan(64);
    expect(valueOf(after, 'vllm:prefix_cache_hits_total')).toBe(again.prompt_tokens_details.cached_tokens);
    expect(valueOf(after, 'vllm:time_to_first_token_seconds_count')).toBe(2);
    expect(valueOf(after, 'vllm:inter_token_latency_seconds_count')).toBe(8);
    for (const name of ['vllm:request_queue_time_seconds_count', 'ingot_queue_seconds_count', 'ingot_first_token_seconds_count'])
      expect(valueOf(after, name)).toBe(2);
    expect(valueOf(after, 'vllm:e2e_request_latency_seconds_count')).toBe(2);
    expect(valueOf(after, 'vllm:request_generation_tokens_sum')).toBe(10);
    expect(valueOf(after, 'vllm:request_success_total', { finished_reason: 'length' })).toBe(2);
    const rows = 2 * usage.prompt_tokens - again.prompt_tokens_details.cached_tokens;
    expect(valueOf(after, 'ingot_steps_total')).toBeGreaterThanOrEqual(10);
    expect(valueOf(after, 'ingot_step_rows_total')).toBe(rows + 8);
    expect(valueOf(after, 'ingot_requests_total', { outcome: 'done', model_name: 'ember' })).toBe(2);
    expect(valueOf(after, 'ingot_requests_total', { outcome: 'refused', model_name: 'ember' })).toBe(1);
    expect(valueOf(after, 'ingot_requests_total', { outcome: 'refused', model_name: '' })).toBe(2);
    expect(valueOf(after, 'ingot_memory_bytes', { kind: 'weights' })).toBe(rig.model.info.memory.weightBytes);
  });

  it('say how busy a model is', async () => {
    const controller = new AbortController();
    const body = JSON.stringify({ model: 'ember', prompt: 'Once', max_tokens: 400, stream: true, ignore_eos: true });
    const stream = await fetch(`${rig.origin}/v1/completions`, { method: 'POST', body, signal: controller.signal });
    const reader = stream.body!.getReader();
    await reader.read();
    await reader.read();
    const during = await read();
    expect(valueOf(during, 'vllm:generation_tokens_total')).toBeGreaterThan(11);
    expect(valueOf(during, 'vllm:num_requests_waiting')).toBe(0);
    expect(valueOf(during, 'vllm:num_requests_running')).toBe(1);
    expect(valueOf(during, 'vllm:kv_cache_usage_perc')).toBeGreaterThan(0);
    expect(valueOf(during, 'ingot_requests_active')).toBe(2);
    controller.abort();
    while (rig.server.active > 0 || rig.model.info.load.running > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const after = await read();
    expect(valueOf(after, 'vllm:num_requests_running')).toBe(0);
    expect(valueOf(after, 'vllm:kv_cache_usage_perc')).toBe(0);
    expect(valueOf(after, 'vllm:request_success_total', { finished_reason: 'abort' })).toBe(1);
    // The prompt of a stream that was left has been read, and counts.
    expect(rig.records.at(-2)).toMatchObject({ outcome: 'cancelled', promptTokens: 1 });
  });

  it('have no label that a client can make up', async () => {
    const strange = 'strange-model-name';
    await post(`${rig.origin}/v1/completions`, { model: strange, prompt: strange, user: strange });
    await fetch(`${rig.origin}/${strange}`);
    const { samples } = await read();
    expect(JSON.stringify(samples)).not.toContain(strange);
    const values = (label: string) => new Set(samples.flatMap(({ labels }) => labels[label] ?? []));
    expect([...values('model_name')].toSorted()).toEqual(['', 'ember']);
    expect(values('outcome').size + values('finished_reason').size).toBeLessThan(10);
  });
});

it('a name with quotes and breaks stays in its label', () => {
  const name = 'a"b\\c\nd';
  const load = { running: 0, waiting: 0, steps: 0, rows: 0, pageTokens: 64, pages: { most: 1, held: 0, cached: 0 } };
  const info = { memory: { weightBytes: 1, kvBytes: 2, workBytes: 3 }, kvType: 'f16', load };
  const text = createMetrics().print({ names: [name], loaded: new Map([[name, { info } as any]]) }, 0);
  const { samples } = readMetrics(text);
  expect(samples.find((sample) => sample.name === 'vllm:num_requests_running')?.labels['model_name']).toBe('a\\"b\\\\c\\nd');
});
