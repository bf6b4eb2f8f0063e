/** `ingot/server`: routes of OpenAI's form over loaded models, as a `fetch` handler for any framework. */
export { createServer } from './create-server.ts';
export type { AuditEntry, AuditStore, KeyLimits, KeyStore, ServerStore, StoredKey } from './store.ts';
export type {
  AppFiles, ModelKind, ModelLoader, ServedModel, Server, ServerLimits, ServerOptions, ServerRequest, ServerResponse, ServerSocket,
  ServerSocketReader, ServerSpeech, ServerUpgrade,
} from './api.ts';
export type { RequestRecord } from './request-record.ts';
export type { OpenTelemetryApi, OpenTelemetrySpan } from './open-telemetry.ts';
