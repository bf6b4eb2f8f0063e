/** A request at work: who it is for, what it may take, and what becomes of it. */
import type { Model } from '../engine/api.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import type { RequestRecord, ServerLimits } from './api.ts';
import { Failure, Stopped } from './failure.ts';
import type { Metrics } from './metrics.ts';

export type ResolvedServerLimits = { readonly [Name in keyof Required<ServerLimits>]: number };

/** What a call counts. */
export interface CallFigures {
  model: string | undefined;
  user: string | undefined;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  firstTokenMs: number | undefined;
}

/** What all calls of a server share. */
export interface ServerState {
  readonly models: ReadonlyMap<string, Model>;
  readonly limits: ResolvedServerLimits;
  readonly heartbeatMs: number;
  /** Seconds since 1970. */
  readonly createdAt: number;
  readonly active: Set<Call>;
  readonly metrics: Metrics;
  readonly isDraining: () => boolean;
  readonly onEnd: (record: RequestRecord) => void;
}

export interface Call {
  readonly id: string;
  readonly state: ServerState;
  readonly request: Request;
  /** What the route obeys of the body; empty where it takes none. */
  readonly parameters: JsonObject;
  /** Of the path: `id` of `/v1/models/:id`. */
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly figures: CallFigures;
  readonly startedAt: number;
  /** Aborts when the client has left, and when the server stops. */
  readonly signal: AbortSignal;
  /** Ends by itself, after its handler has answered. */
  isStreaming: boolean;
  stop(by: Stopped['by']): void;
  /** Milliseconds that are left of its time. */
  remainingMs(): number;
  /** Idempotent. */
  end(status: number, error?: unknown): void;
}

export interface CallStart {
  readonly state: ServerState;
  readonly request: Request;
  readonly route: string | undefined;
}

function outcomeOf(status: number, failure: unknown, signal: AbortSignal): RequestRecord['outcome'] {
  if (signal.aborted && (signal.reason as Stopped).by !== 'drain') return 'cancelled';
  if (failure === undefined && status < 400) return 'done';
  const told = failure instanceof Failure ? failure.status : status;
  return told < 500 ? 'refused' : 'failed';
}

/** Its parameters come when its body has been read. */
export function startCall({ state, request, route }: CallStart): Call & { parameters: JsonObject; pathParameters: Record<string, string> } {
  const controller = new AbortController();
  const { signal } = controller;
  const startedAt = performance.now();
  const id = `req_${crypto.randomUUID().replaceAll('-', '')}`;
  const figures: CallFigures = {
    model: undefined, user: undefined, promptTokens: 0, cachedTokens: 0, completionTokens: 0, firstTokenMs: undefined,
  };
  let isOver = false;
  const stop = (by: Stopped['by']) => {
    if (!isOver && !signal.aborted) controller.abort(new Stopped(by));
  };
  const onLeft = () => stop('client');
  request.signal.addEventListener('abort', onLeft, { once: true });
  if (request.signal.aborted) onLeft();
  const call = {
    id, state, request, figures, startedAt, signal, stop, parameters: {}, pathParameters: {}, isStreaming: false,
    remainingMs: () => Math.max(1, Math.ceil(state.limits.requestMs - (performance.now() - startedAt))),
    end(status: number, error?: unknown) {
      if (isOver) return;
      isOver = true;
      request.signal.removeEventListener('abort', onLeft);
      state.active.delete(call);
      const cause = error instanceof Failure ? error.cause : error;
      const record: RequestRecord = {
        id, method: request.method, route, status, outcome: outcomeOf(status, error, signal), ...figures,
        totalMs: performance.now() - startedAt, error: cause,
      };
      state.metrics.count(record);
      state.onEnd(record);
    },
  };
  state.active.add(call);
  return call;
}
