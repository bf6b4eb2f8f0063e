/** `/health`: the process answers. `/ready`: it takes requests. */
import type { Call } from './call.ts';
import { Failure } from './failure.ts';

export function health(): Response {
  return Response.json({ status: 'ok' });
}

export function ready({ state }: Call): Response {
  if (state.isDraining()) throw new Failure('The server is stopping.', { status: 503, code: 'stopping', headers: { connection: 'close' } });
  return Response.json({ status: 'ready', models: [...state.models.keys()] });
}
