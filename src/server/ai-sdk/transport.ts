/** Requests of the provider to the server, which is in this process or behind a URL. */
import type { CancelSignal } from '../../tensor/platform.ts';
import { requestError } from './request-error.ts';

export interface Transport {
  /** Up to the version: `http://127.0.0.1:8080/v1`. */
  readonly baseURL: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: (request: Request) => Promise<Response>;
}

export interface Asked {
  readonly path: string;
  readonly body: object;
  readonly signal: CancelSignal | undefined;
  readonly headers: Readonly<Record<string, string | undefined>> | undefined;
}

/** @throws what `requestError` makes of a refusal, and of a server that is not there; the signal's reason */
export async function ask({ baseURL, headers, fetch }: Transport, asked: Asked): Promise<Response> {
  const { path, body, signal } = asked;
  const url = `${baseURL}${path}`;
  const own = Object.entries(asked.headers ?? {}).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const request = new Request(url, {
    method: 'POST', headers: { 'content-type': 'application/json', ...headers, ...Object.fromEntries(own) }, body: JSON.stringify(body),
    signal: (signal as AbortSignal | undefined) ?? null,
  });
  let response: Response;
  try {
    response = await fetch(request);
  } catch (error) {
    signal?.throwIfAborted();
    throw requestError({ url, body, status: undefined, headers: {}, text: '' }, error);
  }
  signal?.throwIfAborted();
  if (response.ok) return response;
  throw requestError({ url, body, status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() });
}
