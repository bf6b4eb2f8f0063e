/** Servers of scripted models, for sessions of `/v1/realtime`. */
import { listen } from '../src/cli/serve/listen.ts';
import type { Listener } from '../src/cli/serve/listen.ts';
import type { ModelKind, ModelLoader, ServedModel, Server, ServerOptions } from '../src/server/api.ts';
import { createServer } from '../src/server/create-server.ts';
import type { RequestRecord } from '../src/server/request-record.ts';
import { loudnessDetector, scriptedEars, scriptedModel, scriptedVoice } from './scripted-cascade.ts';

/** What is scripted has little of a model: what the pool looks at is added. */
export function loader(kind: ModelKind, model: object): ModelLoader {
  const memory = { weightBytes: 0, kvBytes: 0, workBytes: 0 };
  const info = { ...('info' in model ? (model.info as object) : {}), memory };
  const whole = Object.assign(model, { info, dispose: async () => {}, ...(kind === 'speech' ? { segments: () => {} } : {}) });
  return { kind, load: async () => whole as unknown as ServedModel };
}

export function realtimeServers() {
  const opened: { readonly server: Server; readonly listener: Listener }[] = [];
  /** A server of scripted models: the model writes what `write` says. */
  const open = async (
    options: Partial<ServerOptions> = {}, write: Parameters<typeof scriptedModel>[0] = async function* () { yield 'Good. Yes.'; },
  ) => {
    const records: RequestRecord[] = [];
    const server = createServer({
      models: {
        text: loader('text', scriptedModel(write).model), hear: loader('speech', scriptedEars(() => 'hello')),
        voice: loader('voice', scriptedVoice(200)),
      },
      speech: { detector: async () => loudnessDetector() }, onRequest: (record) => void records.push(record), ...options,
    });
    const { fetch, upgrade, messageBytes } = server;
    const listener = await listen({ host: '127.0.0.1', port: 0, fetch, sockets: { upgrade, messageBytes } });
    opened.push({ server, listener });
    return { server, records, url: `${listener.origin.replace('http', 'ws')}/v1/realtime?model=text`, origin: listener.origin };
  };
  return {
    open,
    async close(): Promise<void> {
      for (const { server, listener } of opened.splice(0)) {
        await server.drain({ withinMs: 100 });
        await server.close();
        listener.destroy();
        await listener.close();
      }
    },
  };
}
