/**
 * A span for each request to a model, for OpenTelemetry, by its conventions for generative models:
 * https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/gen-ai-spans.md
 * Nothing of what was asked or answered is in it.
 */
import type { JsonObject } from '../tensor/checkpoint.ts';
import type { Call, Trace } from './call.ts';
import type { OpenTelemetryApi } from './open-telemetry.ts';
import type { RequestRecord } from './request-record.ts';

type Attributes = Record<string, string | number | boolean | string[] | undefined>;

/** Of `SpanKind` and `SpanStatusCode`. */
const SERVER = 1;
const ERROR = 2;

/** What the conventions call what a route does. */
const OPERATIONS: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'chat', '/v1/responses': 'chat', '/v1/messages': 'chat', '/api/chat': 'chat',
  '/v1/completions': 'text_completion', '/api/generate': 'text_completion', '/v1/embeddings': 'embeddings', '/api/embed': 'embeddings',
  '/v1/rerank': 'rerank',
};

/** Parameters by the names that the conventions have for them; what a text may stand in is left out. */
const PARAMETERS: Readonly<Record<string, string>> = {
  max_tokens: 'max_tokens', max_completion_tokens: 'max_tokens', max_output_tokens: 'max_tokens', temperature: 'temperature',
  top_p: 'top_p', top_k: 'top_k', frequency_penalty: 'frequency_penalty', presence_penalty: 'presence_penalty', seed: 'seed',
  n: 'choice.count', stream: 'stream',
};

function requestAttributes(parameters: JsonObject): Attributes {
  const named = Object.entries(PARAMETERS).map(([name, attribute]) => [`gen_ai.request.${attribute}`, parameters[name]] as const);
  return Object.fromEntries(named.filter(([, value]) => typeof value === 'number' || typeof value === 'boolean')) as Attributes;
}

function attributesOf(call: Call, record: RequestRecord, operation: string): Attributes {
  const { model, method, route, status, outcome, promptTokens, cachedTokens, completionTokens, firstTokenMs, keyId } = record;
  return {
    'gen_ai.operation.name': operation, 'gen_ai.provider.name': 'ingot',
    ...(model === undefined ? {} : { 'gen_ai.request.model': model, 'gen_ai.response.model': model }),
    ...requestAttributes(call.parameters),
    'gen_ai.usage.input_tokens': promptTokens, 'gen_ai.usage.cache_read.input_tokens': cachedTokens,
    'gen_ai.usage.output_tokens': completionTokens,
    'gen_ai.response.id': record.id, 'gen_ai.response.finish_reasons': [...call.finishReasons],
    ...(firstTokenMs === undefined ? {} : { 'gen_ai.response.time_to_first_chunk': firstTokenMs / 1000 }),
    'http.request.method': method, 'http.route': route, 'http.response.status_code': status,
    ...(outcome === 'done' ? {} : { 'error.type': outcome === 'cancelled' ? 'cancelled' : String(status) }),
    ...(keyId === undefined ? {} : { 'ingot.key_id': keyId }),
  };
}

/** Spans are made when a request is over, with the times that it had: so a sampler sees all of it. */
export function createTrace({ trace, propagation, context }: OpenTelemetryApi): Trace {
  return (call, record) => {
    const { route, method, model, outcome, totalMs } = record;
    const operation = OPERATIONS[route ?? ''];
    if (operation === undefined || method !== 'POST') return;
    const startTime = performance.timeOrigin + call.startedAt;
    const parent = propagation.extract(context.active(), Object.fromEntries(call.request.headers));
    const name = model === undefined ? operation : `${operation} ${model}`;
    const options = { kind: SERVER, startTime, attributes: attributesOf(call, record, operation) };
    const span = trace.getTracer('ingot').startSpan(name, options, parent);
    // What a client did wrong is no error of a server's span.
    if (outcome === 'failed') span.setStatus({ code: ERROR });
    span.end(startTime + totalMs);
  };
}
