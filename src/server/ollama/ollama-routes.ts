/** Ollama's routes. */
import { routesOf } from '../route.ts';
import type { Route } from '../route.ts';
import { OLLAMA_CHAT_PARAMETERS, ollamaChat } from './chat.ts';
import { EMBED_PARAMETERS, OLD_EMBED_PARAMETERS, ollamaEmbed, ollamaOldEmbed } from './embed.ts';
import { errorBody } from './error-form.ts';
import { OLLAMA_GENERATE_PARAMETERS, ollamaGenerate } from './generate.ts';
import { checkDownloads } from '../download-model.ts';
import { ollamaPull, PULL_PARAMETERS } from './pull.ts';
import { ollamaPs, ollamaShow, ollamaTags, ollamaVersion, refuseChange, SHOW_PARAMETERS } from './models.ts';

const refused = (method: Route['method'], path: string): Omit<Route, 'errorBody'> => ({
  method, path, summary: 'Refused: the server has the models that it was started with.', handle: refuseChange,
});

export const OLLAMA_ROUTES = routesOf(errorBody, [
  {
    method: 'POST', path: '/api/chat', isMetered: true, summary: "Answers a conversation in Ollama's form.",
    parameters: OLLAMA_CHAT_PARAMETERS, handle: ollamaChat,
  },
  {
    method: 'POST', path: '/api/generate', isMetered: true, summary: "Answers a prompt in Ollama's form.",
    parameters: OLLAMA_GENERATE_PARAMETERS, handle: ollamaGenerate,
  },
  {
    method: 'POST', path: '/api/embed', isMetered: true, summary: "Unit vectors of texts in Ollama's form.", parameters: EMBED_PARAMETERS,
    handle: ollamaEmbed,
  },
  {
    method: 'POST', path: '/api/embeddings', isMetered: true, summary: 'The older form of the same, of one text.',
    parameters: OLD_EMBED_PARAMETERS, handle: ollamaOldEmbed,
  },
  { method: 'GET', path: '/api/tags', summary: "Lists models in Ollama's form.", handle: ollamaTags },
  { method: 'GET', path: '/api/ps', summary: 'Lists those that are loaded.', handle: ollamaPs },
  { method: 'POST', path: '/api/show', summary: 'Describes a model.', parameters: SHOW_PARAMETERS, handle: ollamaShow },
  { method: 'GET', path: '/api/version', summary: 'The version of Ollama whose form this is.', handle: ollamaVersion },
  {
    method: 'POST', path: '/api/pull', isMetered: true, summary: "Downloads a model in Ollama's form, where that is allowed.",
    parameters: PULL_PARAMETERS, check: checkDownloads, handle: ollamaPull,
  },
  ...['/api/push', '/api/create', '/api/copy'].map((path) => refused('POST', path)),
  refused('DELETE', '/api/delete'),
]);
