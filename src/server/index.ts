/** `ingot/server`: routes of OpenAI's form over loaded models, as a `fetch` handler for any framework. */
export { createServer } from './create-server.ts';
export type { RequestRecord, Server, ServerLimits, ServerOptions, ServerRequest, ServerResponse } from './api.ts';
