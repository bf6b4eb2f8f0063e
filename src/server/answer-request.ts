/** From a request of a route to its response: who asks, what is asked, the answer, and its entry in the log. */
import type { Holder } from './access/access-control.ts';
import { startCall } from './call.ts';
import type { Call, OpeningCall, ServerState } from './call.ts';
import { Failure, failureOf } from './failure.ts';
import { readForm } from './form-body.ts';
import { readParameters } from './parameter-table.ts';
import { readQuery } from './query-parameters.ts';
import { readJson } from './request-body.ts';
import type { Route } from './route.ts';

export interface RouteRequest {
  readonly route: Route;
  readonly request: Request;
  readonly pathParameters: Readonly<Record<string, string>>;
  readonly state: ServerState;
  /** Of a request that was let in earlier, as part of a batch: whose it is. Rates of a minute are not asked again. */
  readonly batch?: { readonly holder: Holder | undefined; readonly priority: number };
}

/** @throws Failure (503) while the server is full or stops */
export function checkRoom({ state }: Call, route: Pick<Route, 'isAlwaysOpen'>): void {
  if (route.isAlwaysOpen === true) return;
  const headers = { 'retry-after': '1' };
  if (state.isDraining())
    throw new Failure('The server is stopping.', { status: 503, code: 'stopping', headers: { ...headers, connection: 'close' } });
  // The call itself is one of them.
  if (state.active.size > state.limits.requests)
    throw new Failure(`The server has ${state.limits.requests} requests at work, the most that it takes. Ask again later.`, {
      status: 503, code: 'overloaded', headers,
    });
}

/** Finds out who asks, and takes a request that has a model work from what that key has left. */
export async function admit(
  call: OpeningCall, { route, batch }: Pick<RouteRequest, 'batch'> & { readonly route: Pick<Route, 'isMetered' | 'isAlwaysOpen'> },
): Promise<void> {
  const { access, audit } = call.state;
  call.holder = batch === undefined ? await access.identify(call.request) : batch.holder;
  if (call.holder !== undefined) call.state.watchRevocations();
  call.priority = batch?.priority ?? call.holder?.limits.priority ?? 0;
  if (call.holder !== undefined && route.isMetered === true)
    await (batch === undefined ? access.admit(call.holder) : access.checkQuota(call.holder));
  // Figures are asked for every few seconds, and stay readable while the log is not.
  if (route.isAlwaysOpen === true) return;
  await audit.check();
  call.isAdmitted = true;
}

/** Nothing that a client sent, or that nobody foresaw, leaves a request without an answer. */
export async function answerRequest(asked: RouteRequest): Promise<Response> {
  const { route, request, pathParameters, state } = asked;
  const call = startCall({ state, request, route: route.path });
  let response: Response;
  try {
    call.pathParameters = { ...pathParameters };
    checkRoom(call, route);
    if (route.isPublic !== true) await admit(call, asked);
    // Probes and links to pages add what they like.
    if (route.isAlwaysOpen !== true) call.query = readQuery(request, route.query ?? {});
    if (route.parameters !== undefined) call.parameters = readParameters(await readJson(request, state.limits), route.parameters);
    route.check?.(call);
    if (route.form !== undefined) Object.assign(call, await readForm(request, route.form, state.limits));
    response = await route.handle(call);
    if (!call.isStreaming) await call.end(response.status);
  } catch (error) {
    const failure = failureOf(error);
    // A refusal whose entry in the log is lost is one of another kind.
    const told = await call.end(failure.status, failure).then(() => failure, failureOf);
    response = Response.json(route.errorBody(told), { status: told.status, headers: told.headers });
  }
  const { holder } = call;
  for (const [name, value] of Object.entries(holder === undefined ? {} : state.access.headersOf(holder))) response.headers.set(name, value);
  response.headers.set('x-request-id', call.id);
  return response;
}
