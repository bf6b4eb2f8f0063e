/** The server as a `fetch` handler: guards, routes and limits around loaded models. */
import { Hono } from 'hono';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { checkInteger, checkOptionNames, checkSwitches, describeValue } from '../tensor/option-names.ts';
import type { NamesOf } from '../tensor/option-names.ts';
import type { Server, ServerLimits, ServerOptions, ServerRequest, ServerResponse, ServerUpgrade } from './api.ts';
import { createAccessControl } from './access/access-control.ts';
import { createAuditLog } from './access/audit-log.ts';
import { watchRevocations } from './access/revocations.ts';
import { answerRequest } from './answer-request.ts';
import { startBatches } from './batches/start-batches.ts';
import type { BatchRunner } from './batches/batch-runner.ts';
import { startCall } from './call.ts';
import type { ResolvedServerLimits, ServerState } from './call.ts';
import { Failure, failureOf } from './failure.ts';
import { createMetrics } from './metrics.ts';
import { openModelPool } from './model-pool/open-model-pool.ts';
import { errorBody } from './openai/error-form.ts';
import { parseImageHost } from './images/image-host.ts';
import { checkOrigin, corsHeaders, parseHost, parseOrigin, preflightHeaders } from './origin-guard.ts';
import type { OriginRules } from './origin-guard.ts';
import { openRealtime, REALTIME_PATH } from './realtime/open-realtime.ts';
import { ROUTES } from './routes.ts';
import { createSpeechParts } from './speech-parts.ts';
import { createSpokenAnswers } from './spoken-answers.ts';
import { createTrace } from './tracing.ts';
import type { Route } from './route.ts';

const OPTION_NAMES: NamesOf<ServerOptions> = {
  models: true, aliases: true, pinned: true, memoryBytes: true, idleMs: true, allowedHosts: true, corsOrigins: true, imageHosts: true,
  limits: true,
  heartbeatMs: true, store: true, requireKeys: true, auditPrompts: true, auditFailure: true, responseMs: true, fileMs: true,
  onStoreError: true, onRequest: true, openTelemetry: true, speech: true, app: true, downloads: true,
};

const DEFAULT_LIMITS: ResolvedServerLimits = {
  bodyBytes: 8 * 2 ** 20, bodyMs: 30_000, requests: 256, outputTokens: Infinity, choices: 16, texts: 2048, loadMs: 300_000,
  requestMs: 600_000, stallMs: 60_000, fileBytes: 100 * 2 ** 20, batchRequests: 50_000, batchConcurrency: 4,
  sessions: 64, sessionMs: 3_600_000, sessionIdleMs: 600_000, imagePixels: 16e6,
};
/** 30 days. */
const KEPT_MS = 30 * 86_400_000;
const DEFAULT_HEARTBEAT_MS = 10_000;
/** What a timer of the platform can wait for. */
const MOST = 2 ** 31 - 1;

function resolveLimits(limits: ServerLimits = {}): ResolvedServerLimits {
  const names = Object.keys(DEFAULT_LIMITS) as (keyof ServerLimits)[];
  checkOptionNames(limits, Object.fromEntries(names.map((name) => [name, true as const])), 'limits');
  for (const name of names) checkInteger(`limits.${name}`, limits[name], { min: 1, max: MOST });
  const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
  return { ...DEFAULT_LIMITS, ...given };
}

function checkTexts(name: string, texts: readonly string[]): void {
  if (!Array.isArray(texts) || texts.some((text) => typeof text !== 'string' || text === ''))
    throw new InputError(`${name} must be a list of texts, none of them empty, found ${describeValue(texts)}.`);
}

/** @throws InputError for what is no host */
function imageHostsOf(hosts: readonly string[]): ReadonlySet<string> {
  checkTexts('imageHosts', hosts);
  return new Set(hosts.map(parseImageHost));
}

/** @throws InputError for what downloads nothing */
function checkedDownloads(downloads: ServerOptions['downloads']): ServerOptions['downloads'] {
  if (downloads !== undefined && typeof (downloads as Partial<typeof downloads> | null)?.download !== 'function')
    throw new InputError(`downloads must be an object with download, found ${describeValue(downloads)}.`);
  return downloads;
}

function stateOf(options: ServerOptions, hooks: Pick<ServerState, 'isDraining' | 'wakeBatches'>): ServerState {
  checkOptionNames(options, OPTION_NAMES, 'createServer');
  checkInteger('heartbeatMs', options.heartbeatMs, { min: 1, max: MOST });
  for (const name of ['responseMs', 'fileMs'] as const) checkInteger(name, options[name], { min: 1 });
  checkSwitches({ requireKeys: options.requireKeys, auditPrompts: options.auditPrompts });
  const { auditFailure = 'refuse', onRequest, openTelemetry } = options;
  if (!['refuse', 'serve'].includes(auditFailure))
    throw new InputError(`auditFailure must be refuse or serve, found ${describeValue(auditFailure)}.`);
  if (options.store === undefined && options.requireKeys === true)
    throw new InputError('requireKeys needs a store, which has the keys.');
  const limits = resolveLimits(options.limits);
  const active: ServerState['active'] = new Set();
  const models = openModelPool(options, limits.loadMs);
  return {
    models,
    speech: createSpeechParts(options.speech, models),
    spoken: createSpokenAnswers(),
    sessions: new Set(),
    limits,
    app: options.app,
    downloads: checkedDownloads(options.downloads),
    downloading: undefined,
    imageHosts: imageHostsOf(options.imageHosts ?? []),
    heartbeatMs: options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
    createdAt: Math.floor(Date.now() / 1000),
    active,
    metrics: createMetrics(),
    access: createAccessControl({ store: options.store, requiresKeys: options.requireKeys === true }),
    watchRevocations: options.store === undefined ? () => {} : watchRevocations({ keys: options.store.keys, active }),
    audit: createAuditLog(options),
    store: options.store,
    responseMs: options.responseMs ?? KEPT_MS,
    fileMs: options.fileMs ?? KEPT_MS,
    ...hooks,
    // What it throws is no fault of the request.
    onEnd: (record) => queueMicrotask(() => onRequest?.(record)),
    trace: openTelemetry && createTrace(openTelemetry),
  };
}

/** No route: 405 where the path has one of another method. */
function refuseRoute(request: Request): Failure {
  const { pathname } = new URL(request.url);
  const isHere = ({ path }: Route) => new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`).test(pathname);
  const methods = ROUTES.filter(isHere).map(({ method }) => method);
  if (methods.length === 0) return new Failure('There is no such route here.', { status: 404, code: 'unknown_route' });
  const allow = methods.join(', ');
  return new Failure(`This route takes ${allow}, not ${request.method}.`, { status: 405, code: 'method_not_allowed', headers: { allow } });
}

function createApp(state: ServerState): Hono {
  const app = new Hono();
  for (const route of ROUTES) app.on(route.method, route.path, (c) =>
    answerRequest({ route, request: c.req.raw, pathParameters: c.req.param(), state }));
  app.notFound((c) => {
    const failure = refuseRoute(c.req.raw);
    const call = startCall({ state, request: c.req.raw, route: undefined });
    void call.end(failure.status, failure);
    return Response.json(errorBody(failure), { status: failure.status, headers: { ...failure.headers, 'x-request-id': call.id } });
  });
  return app;
}

/** As {@link createFetch}, of requests for a WebSocket. */
function createUpgrade(state: ServerState, rules: OriginRules): (request: Request) => Promise<ServerUpgrade> {
  return async (request) => {
    try {
      checkOrigin(request, rules);
      if (new URL(request.url).pathname !== REALTIME_PATH) throw refuseRoute(request);
    } catch (error) {
      const failure = failureOf(error);
      void startCall({ state, request, route: undefined }).end(failure.status, failure);
      return { response: Response.json(errorBody(failure), { status: failure.status, headers: failure.headers }) };
    }
    return openRealtime(state, request);
  };
}

/** Guards come first, so that nothing of a request that is not allowed is read. */
function createFetch(state: ServerState, rules: OriginRules): (request: Request) => Promise<Response> {
  const app = createApp(state);
  return async (request) => {
    let origin: string | undefined;
    try {
      origin = checkOrigin(request, rules);
    } catch (error) {
      const failure = failureOf(error);
      void startCall({ state, request, route: undefined }).end(failure.status, failure);
      return Response.json(errorBody(failure), { status: failure.status });
    }
    if (request.method === 'OPTIONS' && origin !== undefined)
      return new Response(null, { status: 204, headers: { ...corsHeaders(origin), ...preflightHeaders(request) } });
    const response = await app.fetch(request);
    for (const [name, value] of Object.entries(origin === undefined ? {} : corsHeaders(origin))) response.headers.set(name, value);
    response.headers.set('x-content-type-options', 'nosniff');
    return response;
  };
}

/** How often a server that stops looks whether its requests are over. */
const DRAIN_LOOK_MS = 20;

/** @throws InputError for options that cannot be meant */
export function createServer(options: ServerOptions): Server {
  let isDraining = false;
  let batches: BatchRunner | undefined;
  const state = stateOf(options, { isDraining: () => isDraining, wakeBatches: () => batches?.wake() });
  const { allowedHosts = [], corsOrigins = [] } = options;
  checkTexts('allowedHosts', allowedHosts);
  checkTexts('corsOrigins', corsOrigins);
  const rules = { allowedHosts: allowedHosts.map(parseHost), corsOrigins: corsOrigins.map(parseOrigin) };
  const [answer, upgrade] = [createFetch(state, rules), createUpgrade(state, rules)];
  if (options.store !== undefined) batches = startBatches(state, options.store, options.onStoreError);
  return {
    fetch: async (request: ServerRequest): Promise<ServerResponse> => answer(request),
    upgrade: async (request: ServerRequest): Promise<ServerUpgrade> => upgrade(request),
    messageBytes: state.limits.bodyBytes,
    get active() {
      return state.active.size;
    },
    get streams() {
      return [...state.active].filter(({ isStreaming }) => isStreaming).length;
    },
    get models() {
      return state.models.names.map((name) => ({ name, status: state.models.describe(name).status }));
    },
    async load(name, { signal = new AbortController().signal } = {}) {
      try {
        const { release } = await state.models.hold(name, { signal, waitMs: Infinity });
        release();
      } catch (error) {
        // Who has the server may know what clients may not.
        if (!(error instanceof Failure)) throw error;
        throw error.cause ?? (error.status === 404 ? new InputError(error.message) : new CapacityError(error.message));
      }
    },
    async close() {
      await batches?.stop();
      await state.speech.close();
      await state.models.close();
    },
    async drain({ withinMs } = {}) {
      checkInteger('withinMs', withinMs, { min: 0, max: MOST });
      isDraining = true;
      for (const session of state.sessions) session.drain();
      const batchesEnded = batches?.stop();
      const until = performance.now() + (withinMs ?? Infinity);
      // Those that come from now on are refused, and not waited for: there may be no end of them.
      const begun = [...state.active];
      while (begun.some((call) => state.active.has(call))) {
        if (performance.now() >= until) for (const call of begun) call.stop('drain');
        await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
      }
      await batchesEnded;
    },
  };
}
