/** The bundled model behind a port of this machine, for tests of the server. */
import { afterAll, beforeAll } from 'vitest';
import { listen } from '../src/cli/serve/listen.ts';
import type { Listener } from '../src/cli/serve/listen.ts';
import type { Model } from '../src/engine/api.ts';
import { loadModel } from '../src/node/load-model.ts';
import { bundledModelPath } from '../src/node/package-root.ts';
import type { Server, ServerOptions } from '../src/server/api.ts';
import type { RequestRecord } from '../src/server/request-record.ts';
import { createServer } from '../src/server/create-server.ts';

export interface ServerRig {
  readonly model: Model;
  readonly server: Server;
  readonly origin: string;
  /** Of requests that are over, in their order. */
  readonly records: RequestRecord[];
}

/** What is asked of a server, for `serverRig().post`. */
export interface Posted {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
}

/** Loads ember once for a file's tests; filled in when they begin. */
export function serverRig(
  options: Omit<ServerOptions, 'models' | 'onRequest'> = {}, models = (ember: Model): ServerOptions['models'] => ({ ember }),
): ServerRig {
  const rig: { -readonly [Name in keyof ServerRig]: ServerRig[Name] } = {
    model: undefined as unknown as Model, server: undefined as unknown as Server, origin: '', records: [],
  };
  let listener: Listener;
  beforeAll(async () => {
    rig.model = await loadModel(bundledModelPath(), { device: 'cpu', threads: 2, contextLength: 512 });
    rig.server = createServer({ ...options, models: models(rig.model), onRequest: (record) => rig.records.push(record) });
    listener = await listen({ host: '127.0.0.1', port: 0, fetch: rig.server.fetch });
    rig.origin = listener.origin;
  });
  afterAll(async () => {
    listener?.destroy();
    await listener?.close();
    await rig.server?.close();
    await rig.model?.dispose();
  });
  return rig;
}

/** Posts JSON, or a body as it is, and reads JSON. */
export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Posted> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: text });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** The events of a stream's text: what stands behind `data: `, parsed where it is JSON. */
export function eventsOf(text: string): any[] {
  const events = text.split('\n\n').filter((event) => event.startsWith('data: '));
  return events.map((event) => (event === 'data: [DONE]' ? '[DONE]' : JSON.parse(event.slice('data: '.length))));
}
