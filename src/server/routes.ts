/** Every route of the server, in one list: what it takes, and what answers it. */
import { errorBody as anthropicErrorBody } from './anthropic/error-form.ts';
import { appFile, appPage, appWorker } from './app/serve-app.ts';
import { BETA_QUERY, COUNT_PARAMETERS, MESSAGE_PARAMETERS } from './anthropic/message-parameters.ts';
import { countTokens, messages } from './anthropic/messages.ts';
import { BATCH_LIST, BATCH_PARAMETERS, cancelBatch, createBatch, listBatches, showBatch } from './batches/batches.ts';
import { health, metrics, ready } from './health.ts';
import { transcriptions, translations } from './openai/audio.ts';
import { speech, SPEECH_PARAMETERS } from './openai/speech.ts';
import { TRANSCRIPTION_FORM, TRANSLATION_FORM } from './openai/audio-parameters.ts';
import { CHAT_PARAMETERS } from './openai/chat-parameters.ts';
import { chatCompletions } from './openai/chat-completions.ts';
import { checkDownloads } from './download-model.ts';
import { COMPLETION_PARAMETERS, completions } from './openai/completions.ts';
import { DOWNLOAD_PARAMETERS, downloadModel } from './openai/download.ts';
import { EMBEDDING_PARAMETERS, embeddings } from './openai/embeddings.ts';
import { errorBody } from './openai/error-form.ts';
import { listModels, LOAD_PARAMETERS, loadModel, showModel, unloadModel } from './openai/models.ts';
import { RERANK_PARAMETERS, rerank } from './openai/rerank.ts';
import { DETOKENIZE_PARAMETERS, detokenize, TOKENIZE_PARAMETERS, tokenize } from './openai/tokenize.ts';
import { OLLAMA_ROUTES } from './ollama/ollama-routes.ts';
import { openApi } from './openapi.ts';
import { docsPage } from './page/docs-page.ts';
import { CLIENT_EVENTS } from './realtime/client-events.ts';
import { REALTIME_PATH, REALTIME_QUERY, upgradeRequired } from './realtime/open-realtime.ts';
import { requireStore } from './require-store.ts';
import { routesOf } from './route.ts';
import type { Route } from './route.ts';
import { RESPONSE_PARAMETERS } from './responses/response-parameters.ts';
import { responses } from './responses/responses.ts';
import {
  INPUT_ITEM_QUERY, listInputItems, removeResponse, RESPONSE_QUERY, showResponse,
} from './responses/stored-responses.ts';
import { FILE_FORM, FILE_LIST, fileContent, listFiles, removeFile, showFile, uploadFile } from './uploads/files.ts';

/** Routes over what the server keeps. */
const KEPT = routesOf(errorBody, [
  { method: 'GET', path: '/v1/responses/:id', summary: 'A response that is kept.', query: RESPONSE_QUERY, handle: showResponse },
  { method: 'DELETE', path: '/v1/responses/:id', summary: 'Deletes a response.', handle: removeResponse },
  { method: 'GET', path: '/v1/responses/:id/input_items', summary: 'Its input.', query: INPUT_ITEM_QUERY, handle: listInputItems },
  { method: 'POST', path: '/v1/files', summary: 'Takes a file of requests.', form: FILE_FORM, check: requireStore, handle: uploadFile },
  { method: 'GET', path: '/v1/files', summary: 'Lists files.', query: FILE_LIST, handle: listFiles },
  { method: 'GET', path: '/v1/files/:id', summary: 'Describes a file.', handle: showFile },
  { method: 'GET', path: '/v1/files/:id/content', summary: 'What is in a file.', handle: fileContent },
  { method: 'DELETE', path: '/v1/files/:id', summary: 'Deletes a file.', handle: removeFile },
  {
    method: 'POST', path: '/v1/batches', isMetered: true, summary: 'Runs the requests of a file.', parameters: BATCH_PARAMETERS,
    handle: createBatch,
  },
  { method: 'GET', path: '/v1/batches', summary: 'Lists batches.', query: BATCH_LIST, handle: listBatches },
  { method: 'GET', path: '/v1/batches/:id', summary: 'How far a batch is.', handle: showBatch },
  { method: 'POST', path: '/v1/batches/:id/cancel', summary: 'Ends a batch.', handle: cancelBatch },
]);

const TEXTS = routesOf(errorBody, [
  {
    method: 'POST', path: '/v1/chat/completions', isMetered: true, summary: 'Answers a conversation.', parameters: CHAT_PARAMETERS,
    handle: chatCompletions,
  },
  {
    method: 'POST', path: '/v1/completions', isMetered: true, summary: 'Continues prompts.', parameters: COMPLETION_PARAMETERS,
    handle: completions,
  },
  {
    method: 'POST', path: '/v1/embeddings', isMetered: true, summary: 'Unit vectors of texts.', parameters: EMBEDDING_PARAMETERS,
    handle: embeddings,
  },
  {
    method: 'POST', path: '/v1/rerank', isMetered: true, summary: 'Orders documents by how well they answer a query.',
    parameters: RERANK_PARAMETERS, handle: rerank,
  },
  {
    method: 'POST', path: '/v1/responses', isMetered: true, summary: 'Answers, in the newer form.', parameters: RESPONSE_PARAMETERS,
    handle: responses,
  },
]);

const ANTHROPIC = routesOf(anthropicErrorBody, [
  {
    method: 'POST', path: '/v1/messages', isMetered: true, summary: "Answers a conversation in Anthropic's form.", query: BETA_QUERY,
    parameters: MESSAGE_PARAMETERS, handle: messages,
  },
  {
    method: 'POST', path: '/v1/messages/count_tokens', summary: 'Counts the tokens of such a conversation.', query: BETA_QUERY,
    parameters: COUNT_PARAMETERS, handle: countTokens,
  },
]);

const MODELS_AND_TOKENS = routesOf(errorBody, [
  { method: 'GET', path: '/v1/models', summary: 'Lists models.', handle: listModels },
  { method: 'GET', path: '/v1/models/:id', summary: 'Describes a model.', handle: showModel },
  {
    method: 'POST', path: '/v1/models/load', summary: 'Loads a model, and answers when it is there.', parameters: LOAD_PARAMETERS,
    handle: loadModel,
  },
  {
    method: 'POST', path: '/v1/models/unload', summary: 'Frees a model when its requests are over.', parameters: LOAD_PARAMETERS,
    handle: unloadModel,
  },
  {
    method: 'POST', path: '/v1/models/download', isMetered: true, parameters: DOWNLOAD_PARAMETERS, check: checkDownloads,
    summary: "Downloads a model onto the server's machine, with its progress as events, where that is allowed.", handle: downloadModel,
  },
  { method: 'POST', path: '/tokenize', summary: 'Token ids of a text.', parameters: TOKENIZE_PARAMETERS, handle: tokenize },
  { method: 'POST', path: '/detokenize', summary: 'The text of token ids.', parameters: DETOKENIZE_PARAMETERS, handle: detokenize },
]);

const SOUNDS_PAGES_AND_FIGURES = routesOf(errorBody, [
  {
    method: 'POST', path: '/v1/audio/transcriptions', isMetered: true, summary: 'What is said in a sound.', form: TRANSCRIPTION_FORM,
    handle: transcriptions,
  },
  {
    method: 'POST', path: '/v1/audio/translations', isMetered: true, summary: 'The same, in English.', form: TRANSLATION_FORM,
    handle: translations,
  },
  {
    method: 'POST', path: '/v1/audio/speech', isMetered: true, summary: 'A text as speech.', parameters: SPEECH_PARAMETERS, handle: speech,
  },
  {
    method: 'GET', path: REALTIME_PATH, summary: "Talks both ways, by a WebSocket: a session in the events of OpenAI's reference.",
    query: REALTIME_QUERY, events: CLIENT_EVENTS, handle: upgradeRequired,
  },
  { method: 'GET', path: '/docs', summary: 'All of this, for people.', isAlwaysOpen: true, isPublic: true, handle: () => docsPage(ROUTES) },
  { method: 'GET', path: '/', summary: 'The app: chats in a browser.', isAlwaysOpen: true, isPublic: true, handle: appPage },
  { method: 'GET', path: '/sw.js', summary: "The app's service worker.", isAlwaysOpen: true, isPublic: true, handle: appWorker },
  { method: 'GET', path: '/assets/:name', summary: 'A file of the app.', isAlwaysOpen: true, isPublic: true, handle: appFile },
  { method: 'GET', path: '/health', summary: 'Whether the process answers.', isAlwaysOpen: true, isPublic: true, handle: health },
  { method: 'GET', path: '/metrics', summary: 'Figures, for Prometheus.', isAlwaysOpen: true, handle: metrics },
  {
    method: 'GET', path: '/openapi.json', summary: 'All of this, for programs.', isAlwaysOpen: true, isPublic: true,
    handle: () => Response.json(openApi(ROUTES)),
  },
  { method: 'GET', path: '/ready', summary: 'Whether it takes requests.', isAlwaysOpen: true, isPublic: true, handle: ready },
]);

export const ROUTES: readonly Route[] = [
  ...TEXTS, ...ANTHROPIC, ...KEPT, ...MODELS_AND_TOKENS, ...OLLAMA_ROUTES, ...SOUNDS_PAGES_AND_FIGURES,
];
