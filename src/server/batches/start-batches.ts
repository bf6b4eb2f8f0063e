/** Runs the requests of batches by the server's own routes, behind those that somebody waits for. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { answerRequest } from '../answer-request.ts';
import type { ServerState } from '../call.ts';
import { failureOf, invalid } from '../failure.ts';
import { errorBody } from '../openai/error-form.ts';
import { ROUTES } from '../routes.ts';
import type { PendingItem, ServerStore } from '../store.ts';
import { BatchRunner } from './batch-runner.ts';
import type { ItemAnswer } from './batch-runner.ts';

/** Below every priority that a key may have. */
const PRIORITY = -100;

async function runItem(state: ServerState, { endpoint, body, keyId }: PendingItem, signal: AbortSignal): Promise<ItemAnswer | undefined> {
  const route = ROUTES.find(({ method, path }) => method === 'POST' && path === endpoint);
  if (route === undefined) throw new Error(`batches: there is no route ${endpoint}`);
  try {
    if (body['stream'] === true)
      throw invalid('A batch has no streams: leave stream out.', { param: 'stream', code: 'unsupported_parameter' });
    const holder = keyId === undefined ? undefined : await state.access.holderOf(keyId);
    const request = new Request(`http://localhost${endpoint}`, { method: 'POST', body: JSON.stringify(body), signal });
    const response = await answerRequest({ route, request, pathParameters: {}, state, batch: { holder, priority: PRIORITY } });
    // The server is full, stops, or cannot keep what it answers: not the fault of the request.
    if (response.status === 503 || signal.aborted) return undefined;
    const answer = (await response.json()) as JsonValue;
    return { status: response.status, requestId: response.headers.get('x-request-id') ?? '', body: answer };
  } catch (error) {
    const failure = failureOf(error);
    if (failure.status === 503) return undefined;
    return { status: failure.status, requestId: `req_${crypto.randomUUID().replaceAll('-', '')}`, body: errorBody(failure) };
  }
}

export function startBatches(state: ServerState, { batches }: ServerStore, onError: (error: unknown) => void = () => {}): BatchRunner {
  return new BatchRunner({
    store: batches, concurrency: state.limits.batchConcurrency, onError, run: (item, signal) => runItem(state, item, signal),
  });
}
