/** `ingot serve`: models behind an endpoint of OpenAI's form. */
import { existsSync } from 'node:fs';
import type { Server } from '../../server/api.ts';
import type { RequestRecord } from '../../server/request-record.ts';
import type { OpenTelemetryApi } from '../../server/open-telemetry.ts';
import { createServer } from '../../server/create-server.ts';
import { EXIT, Interruption, isForeseen, messageOf } from '../exit-codes.ts';
import { expandHome, modelPath } from '../input-path.ts';
import { withInterrupts } from '../interrupts.ts';
import { printable } from '../terminal.ts';
import { appFiles } from '../../node/app-files.ts';
import { dataFolder } from '../../node/data-folder.ts';
import { loadVoiceDetector } from '../../node/load-voice-detector.ts';
import { bundledDetectorPath } from '../../node/package-root.ts';
import { NO_DATABASE } from './config.ts';
import type { ServeConfig, Settings } from './config.ts';
import { openControl } from './control.ts';
import type { Control, ServerDescription } from './control.ts';
import { listen } from './listen.ts';
import { openTraces } from './open-traces.ts';
import type { Listener } from './listen.ts';
import { readTls } from './read-tls.ts';
import { servedModels } from './served-models.ts';
import { NoDatabase } from './store/database.ts';
import { openStore } from './store/open-store.ts';
import type { ServeStore } from './store/open-store.ts';

/** Until it is interrupted. */
export async function serve(config: ServeConfig): Promise<void> {
  // A misspelt path is told before any port is taken.
  const served = config.models.map(({ name, path }) => ({ name, path: modelPath(path) }));
  const { drainMs = 0 } = config.settings as { readonly drainMs?: number };
  await withInterrupts((signal) => run({ ...config, models: served }, signal), { stopMs: drainMs + STOP_MS });
}

/** For what comes after the last request. */
const STOP_MS = 5000;

/** The database comes first, then the port, so that nobody waits for a model in vain; until it has loaded, only `/health` answers. */
async function run(config: ServeConfig, interrupted: AbortSignal): Promise<void> {
  const { traces: url } = config.settings as { readonly traces?: string };
  const traces = url === undefined ? undefined : await openTraces({ url });
  const store = await openStoreOf(config);
  const stopped = new AbortController();
  const signal = AbortSignal.any([interrupted, stopped.signal]);
  try {
    await serveWith({
      store, openTelemetry: traces?.api, config, signal, stop: () => stopped.abort(new Interruption(EXIT.ok)),
    });
  } finally {
    await store?.close();
    // A collector that is gone keeps nobody.
    await traces?.close().catch(tellStoreError);
  }
}

/** Where there is no libsql and nobody asked for a database, nor has one, the server keeps nothing, and says so. */
async function openStoreOf({ settings, from }: ServeConfig): Promise<ServeStore | undefined> {
  if (settings.database === NO_DATABASE) return undefined;
  const path = expandHome(settings.database as string);
  try {
    return await openStore(path);
  } catch (error) {
    const isNeeded = settings.requireKeys === true || settings.auditPrompts === true;
    if (isNeeded || !(error instanceof NoDatabase) || from['database'] !== 'default' || existsSync(path)) throw error;
    process.stderr.write(`ingot: warning: there are no keys and no log: ${messageOf(error)}\n`);
    return undefined;
  }
}

interface Serving {
  readonly store: ServeStore | undefined;
  readonly openTelemetry: OpenTelemetryApi | undefined;
  readonly config: ServeConfig;
  /** Aborts when the server shall stop. */
  readonly signal: AbortSignal;
  /** Aborts it. */
  readonly stop: () => void;
}

/** Lets `ingot ps` and `ingot stop` find the server; where the folder for that cannot be written, they do not. */
async function findable(
  { signal, stop }: Serving, { origin }: Listener, current: () => Server | undefined,
): Promise<Control | undefined> {
  const startedAt = Date.now();
  const describe = (): ServerDescription => {
    const server = current();
    return {
      pid: process.pid, origin, startedAt, status: signal.aborted ? 'stopping' : server === undefined ? 'loading' : 'ready',
      requests: server?.active ?? 0, streams: server?.streams ?? 0, models: server?.models ?? [],
    };
  };
  try {
    return await openControl({ dataFolder: dataFolder(process.env), describe, stop });
  } catch (error) {
    process.stderr.write(`ingot: warning: "ingot ps" and "ingot stop" will not find this server: ${messageOf(error)}\n`);
    return undefined;
  }
}

async function serveWith(serving: Serving): Promise<void> {
  const { store, openTelemetry, config, signal } = serving;
  const { settings } = config;
  let server: Server | undefined;
  const fetch = async (request: Request): Promise<Response> => (server === undefined ? whileLoading(request) : server.fetch(request));
  const upgrade = async (request: Request) => (server === undefined ? { response: whileLoading(request) } : server.upgrade(request));
  const { host } = settings as { readonly host: string };
  const { port, maxRequests, requestMs, stallMs, maxBodyBytes } = settings as Readonly<Record<string, number>>;
  const listener = await listen({
    host, port: port as number, tls: readTls(settings), fetch, sockets: { upgrade, messageBytes: maxBodyBytes as number },
    // A connection that is kept may have no request.
    maxConnections: Math.max(1024, 4 * (maxRequests as number)), silentMs: (requestMs as number) + (stallMs as number),
  });
  let created: Server | undefined;
  const control = await findable(serving, listener, () => server);
  try {
    const models = await servedModels(config, signal);
    created = createServer({ ...models.options, app: appFiles(), store, openTelemetry, ...serverOptions(settings) });
    for (const name of models.first) await created.load(name, { signal });
    models.started();
    server = created;
    process.stderr.write(`ingot: serving ${Object.keys(models.options.models).join(', ')} at ${listener.origin}/v1\n`);
    await warnOfOpenServer(store, settings);
    const endRetention = store === undefined ? undefined : dropOldEntries(store, settings.auditDays as number);
    await aborted(signal);
    endRetention?.();
    process.stderr.write('ingot: stopping: requests at work may end\n');
    // Until then the port is open, so that who comes is told to ask elsewhere; connections that are kept alive have no request after it.
    await server.drain({ withinMs: settings.drainMs as number });
  } finally {
    const closed = listener.close();
    listener.destroy();
    await created?.close();
    await closed;
    control?.close();
  }
}

/** Whoever reaches an address beyond this machine may use it until a key is made. */
async function warnOfOpenServer(store: ServeStore | undefined, { host, requireKeys }: Settings): Promise<void> {
  if (requireKeys === true || /^(127\.|localhost$|::1$)/.test(host as string)) return;
  if (store !== undefined && (await store.keys.hasKeys())) return;
  process.stderr.write(`ingot: warning: whoever reaches ${host as string} may use this server: make a key ("ingot keys create NAME")\n`);
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Now and every hour. @returns what ends that */
function dropOldEntries(store: ServeStore, days: number): () => void {
  const drop = () => {
    const now = Date.now();
    const dropped = [store.audit.dropBefore(now - days * DAY_MS), store.responses.dropExpired(now), store.files.dropExpired(now)];
    for (const one of dropped) one.catch(tellStoreError);
  };
  drop();
  const timer = setInterval(drop, HOUR_MS);
  return () => clearInterval(timer);
}

function tellStoreError(error: unknown): void {
  process.stderr.write(`ingot: ${messageOf(error)}\n`);
}


function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function whileLoading(request: Request): Response {
  if (new URL(request.url).pathname === '/health') return Response.json({ status: 'ok' });
  const error = { message: 'The server is loading its models.', type: 'server_error', param: null, code: 'loading' };
  return Response.json({ error }, { status: 503, headers: { 'retry-after': '1' } });
}

function serverOptions(settings: Settings) {
  const { allowedHosts, corsOrigins, heartbeatMs, maxBodyBytes, bodyMs, maxRequests, maxOutputTokens, maxChoices, maxTexts } = settings;
  return {
    allowedHosts: allowedHosts as readonly string[] | undefined,
    corsOrigins: corsOrigins as readonly string[] | undefined,
    imageHosts: settings.imageHosts as readonly string[] | undefined,
    requireKeys: settings.requireKeys as boolean,
    auditPrompts: settings.auditPrompts as boolean,
    auditFailure: settings.auditFailure as 'refuse' | 'serve',
    responseMs: (settings.responseDays as number) * DAY_MS,
    fileMs: (settings.fileDays as number) * DAY_MS,
    speech: {
      ears: settings.ears as string | undefined, voice: settings.voice as string | undefined,
      detector: () => loadVoiceDetector(bundledDetectorPath()),
    },
    onStoreError: tellStoreError,
    heartbeatMs: heartbeatMs as number | undefined,
    limits: {
      bodyBytes: maxBodyBytes, bodyMs, requests: maxRequests, outputTokens: maxOutputTokens, choices: maxChoices, texts: maxTexts,
      loadMs: settings.loadMs, requestMs: settings.requestMs, stallMs: settings.stallMs, fileBytes: settings.maxFileBytes,
      batchRequests: settings.maxBatchRequests, batchConcurrency: settings.batchConcurrency, sessions: settings.maxSessions,
      sessionMs: settings.sessionMs, sessionIdleMs: settings.sessionIdleMs,
      imagePixels: settings.maxImagePixels,
    } as Readonly<Record<string, number>>,
    onRequest: (record: RequestRecord) => logRequest(record, settings.logRequests === true),
  };
}

/** A line without prompt or key; why a request failed is told in any case, of what nobody foresaw only where INGOT_DEBUG is set. */
function logRequest(record: RequestRecord, hasLines: boolean): void {
  const { id, method, route = '-', status, outcome, model = '-', promptTokens, completionTokens, totalMs, error } = record;
  const line = `${id} ${method} ${route} ${status} ${outcome} ${model} ${promptTokens}+${completionTokens} tokens ${totalMs.toFixed(0)} ms`;
  if (hasLines) process.stderr.write(`${line}\n`);
  if (outcome !== 'failed' || error === undefined) return;
  if (process.env['INGOT_DEBUG']) process.stderr.write(`${id} failed: ${messageOf(error)}\n`);
  else process.stderr.write(`${id} failed${isForeseen(error) ? `: ${printable(messageOf(error))}` : ' (INGOT_DEBUG=1 shows where)'}\n`);
}
