/** A request at work: who it is for, what it may take, and what becomes of it. */
import type { JsonObject } from '../tensor/checkpoint.ts';
import type { AccessControl, Holder } from './access/access-control.ts';
import type { AuditLog } from './access/audit-log.ts';
import type { AppFiles, ModelDownloads, ServerLimits } from './api.ts';
import type { RequestRecord } from './request-record.ts';
import type { ServerStore } from './store.ts';
import { Failure, Stopped } from './failure.ts';
import type { Metrics } from './metrics.ts';
import type { ModelPool } from './model-pool/model-pool.ts';
import type { SpeechParts } from './speech-parts.ts';
import type { SpokenAnswers } from './spoken-answers.ts';

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

/** Tells a request that is over. */
export type Trace = (call: Call, record: RequestRecord) => void;

/** What all calls of a server share. */
export interface ServerState {
  readonly models: ModelPool;
  readonly speech: SpeechParts;
  readonly spoken: SpokenAnswers;
  readonly limits: ResolvedServerLimits;
  /** Undefined: there is none. */
  readonly app: AppFiles | undefined;
  /** Undefined: clients download no models. */
  readonly downloads: ModelDownloads | undefined;
  /** The id that is being downloaded: one at a time. */
  downloading: string | undefined;
  /** Hosts that images of requests are fetched from. */
  readonly imageHosts: ReadonlySet<string>;
  readonly heartbeatMs: number;
  /** Seconds since 1970. */
  readonly createdAt: number;
  readonly active: Set<Call>;
  /** Of `/v1/realtime`: to be told when the server stops. */
  readonly sessions: Set<{ drain(): void }>;
  readonly metrics: Metrics;
  readonly access: AccessControl;
  /** A request with a key begins: it ends when that is revoked. */
  readonly watchRevocations: () => void;
  readonly audit: AuditLog;
  readonly isDraining: () => boolean;
  readonly store: ServerStore | undefined;
  /** How long responses, and files, are kept. */
  readonly responseMs: number;
  readonly fileMs: number;
  /** There may be a batch to run, or to end. */
  readonly wakeBatches: () => void;
  readonly onEnd: (record: RequestRecord) => void;
  /** Undefined where nobody asked for traces. */
  readonly trace: Trace | undefined;
}

export interface Call {
  readonly id: string;
  readonly state: ServerState;
  readonly request: Request;
  /** What the route obeys of the body; empty where it takes none. */
  readonly parameters: JsonObject;
  /** Of its form; undefined where it takes none. */
  readonly file: File | undefined;
  /** As {@link parameters}, of what stands behind the `?` of the URL. */
  readonly query: JsonObject;
  /** Of the path: `id` of `/v1/models/:id`. */
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly figures: CallFigures;
  /** Of its answers that came to their end. */
  readonly finishReasons: string[];
  /** Whose key it came with; undefined where none is needed, and before it is known. */
  readonly holder: Holder | undefined;
  /** Of its answers, among those that wait. */
  readonly priority: number;
  readonly startedAt: number;
  /** Aborts when the client has left, when its key is revoked, and when the server stops. */
  readonly signal: AbortSignal;
  /** Ends by itself, after its handler has answered. */
  isStreaming: boolean;
  stop(by: Stopped['by']): void;
  /** Milliseconds that are left of its time. */
  remainingMs(): number;
  /** What is to be done when it is over: models that it holds are let go. */
  readonly atEnd: (() => void)[];
  /**
   * Idempotent. Resolves when what the audit log has of it is durable.
   * @throws Failure (503) where that is lost and requests shall not be served without
   */
  end(status: number, error?: unknown): Promise<void>;
}

export interface CallStart {
  readonly state: ServerState;
  readonly request: Request;
  readonly route: string | undefined;
}

function outcomeOf(status: number, failure: unknown, signal: AbortSignal): RequestRecord['outcome'] {
  if (signal.aborted && ['client', 'stall'].includes((signal.reason as Stopped).by)) return 'cancelled';
  if (failure === undefined && status < 400) return 'done';
  const told = failure instanceof Failure ? failure.status : status;
  return told < 500 ? 'refused' : 'failed';
}

/** What comes while the request is read. */
export interface OpeningCall extends Call {
  parameters: JsonObject;
  file: File | undefined;
  query: JsonObject;
  pathParameters: Record<string, string>;
  holder: Holder | undefined;
  priority: number;
  /** Its key was looked at, and it may have what it asks for. */
  isAdmitted: boolean;
}

/** Aborts when the call is over, and at the end of its time. */
export function timedSignal(call: Pick<Call, 'signal' | 'remainingMs'>): AbortSignal {
  return AbortSignal.any([call.signal, AbortSignal.timeout(call.remainingMs())]);
}

export function startCall({ state, request, route }: CallStart): OpeningCall {
  const controller = new AbortController();
  const { signal } = controller;
  const [startedAt, at] = [performance.now(), Date.now()];
  const id = `req_${crypto.randomUUID().replaceAll('-', '')}`;
  const figures: CallFigures = {
    model: undefined, user: undefined, promptTokens: 0, cachedTokens: 0, completionTokens: 0, firstTokenMs: undefined,
  };
  let over: Promise<void> | undefined;
  const stop = (by: Stopped['by']) => {
    if (over === undefined && !signal.aborted) controller.abort(new Stopped(by));
  };
  const onLeft = () => stop('client');
  request.signal.addEventListener('abort', onLeft, { once: true });
  if (request.signal.aborted) onLeft();
  const finish = async (record: RequestRecord): Promise<void> => {
    try {
      if (call.isAdmitted) await state.audit.add({ record, at, parameters: call.parameters });
    } finally {
      state.active.delete(call);
    }
  };
  const call: OpeningCall = {
    id, state, request, figures, finishReasons: [], startedAt, signal, stop, parameters: {}, file: undefined, query: {}, pathParameters: {},
    isStreaming: false, holder: undefined, priority: 0, isAdmitted: false, atEnd: [],
    remainingMs: () => Math.max(1, Math.ceil(state.limits.requestMs - (performance.now() - startedAt))),
    async end(status: number, error?: unknown) {
      if (over !== undefined) return over;
      request.signal.removeEventListener('abort', onLeft);
      for (const done of call.atEnd) done();
      const cause = error instanceof Failure ? error.cause : error;
      const record: RequestRecord = {
        id, method: request.method, route, status, outcome: outcomeOf(status, error, signal), keyId: call.holder?.keyId,
        ...figures,
        totalMs: performance.now() - startedAt, error: cause,
      };
      state.metrics.count(record);
      state.onEnd(record);
      queueMicrotask(() => state.trace?.(call, record));
      if (call.holder !== undefined) state.access.charge(call.holder, figures.promptTokens + figures.completionTokens);
      over = finish(record);
      return over;
    },
  };
  state.active.add(call);
  return call;
}
