/** What a route is: what it takes, and what answers it. */
import type { Call } from './call.ts';
import type { Failure } from './failure.ts';
import type { ParameterTable } from './parameter-table.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** `/v1/models/:id` */
  readonly path: string;
  readonly summary: string;
  /** Of its body, which is JSON; undefined where it has none. */
  readonly parameters?: ParameterTable;
  /** Of its body where that is a form with a file, of which the table has `file` too. */
  readonly form?: ParameterTable;
  /** Refuses what needs no look at the body, before it is read. */
  readonly check?: (call: Call) => void;
  /** Behind the `?` of its URL; undefined where nothing may stand there (anything may where {@link isAlwaysOpen}). */
  readonly query?: ParameterTable;
  /** By type: what stands in the messages of its WebSocket; undefined where it is none. */
  readonly events?: Readonly<Record<string, ParameterTable>>;
  /** The body of a refusal. */
  readonly errorBody: (failure: Failure) => object;
  /** It answers while the server is full or stops. */
  readonly isAlwaysOpen?: true;
  /** It has a model at work, or starts what will: it counts against its key's requests a minute, and is refused beyond a quota. */
  readonly isMetered?: true;
  /** It needs no key. */
  readonly isPublic?: true;
  handle(call: Call): Response | Promise<Response>;
}

/** Routes whose refusals have one form. */
export function routesOf(errorBody: Route['errorBody'], routes: readonly Omit<Route, 'errorBody'>[]): readonly Route[] {
  return routes.map((route) => ({ ...route, errorBody }));
}
