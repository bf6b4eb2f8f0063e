/** `/health`: the process answers. `/ready`: it takes requests. `/metrics`: how busy it is. */
import type { Call } from './call.ts';
import { Failure } from './failure.ts';

export function health(): Response {
  return Response.json({ status: 'ok' });
}

export function ready({ state }: Call): Response {
  if (state.isDraining()) throw new Failure('The server is stopping.', { status: 503, code: 'stopping', headers: { connection: 'close' } });
  return Response.json({ status: 'ready', models: state.models.names });
}

export function metrics({ state }: Call): Response {
  const text = state.metrics.print(state.models, state.active.size);
  return new Response(text, { headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } });
}
