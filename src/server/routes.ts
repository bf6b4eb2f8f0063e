/** Every route of the server, in one list: what it takes, and what answers it. */
import { errorBody as anthropicErrorBody } from './anthropic/error-form.ts';
import { BETA_QUERY, COUNT_PARAMETERS, MESSAGE_PARAMETERS } from './anthropic/message-parameters.ts';
import { countTokens, messages } from './anthropic/messages.ts';
import { BATCH_LIST, BATCH_PARAMETERS, cancelBatch, createBatch, listBatches, showBatch } from './batches/batches.ts';
import { health, metrics, ready } from './health.ts';
import { refuseSpeech, transcriptions, translations } from './openai/audio.ts';
import { TRANSCRIPTION_FORM, TRANSLATION_FORM } from './openai/audio-parameters.ts';
import { CHAT_PARAMETERS } from './openai/chat-parameters.ts';
import { chatCompletions } from './openai/chat-completions.ts';
import { COMPLETION_PARAMETERS, completions } from './openai/completions.ts';
import { EMBEDDING_PARAMETERS, embeddings } from './openai/embeddings.ts';
import { errorBody } from './openai/error-form.ts';
import { listModels, LOAD_PARAMETERS, loadModel, showModel, unloadModel } from './openai/models.ts';
import { RERANK_PARAMETERS, rerank } from './openai/rerank.ts';
import { DETOKENIZE_PARAMETERS, detokenize, TOKENIZE_PARAMETERS, tokenize } from './openai/tokenize.ts';
import { OLLAMA_ROUTES } from './ollama/ollama-routes.ts';
import { openApi } from './openapi.ts';
import { chatPage } from './page/chat-page.ts';
import { docsPage } from './page/docs-page.ts';
import { requireStore } from './require-store.ts';
import type { Route } from './route.ts';
import { RESPONSE_PARAMETERS } from './responses/response-parameters.ts';
import { responses } from './responses/responses.ts';
import {
  INPUT_ITEM_QUERY, listInputItems, removeResponse, RESPONSE_QUERY, showResponse,
} from './responses/stored-responses.ts';
import { FILE_FORM, FILE_LIST, fileContent, listFiles, removeFile, showFile, uploadFile } from './uploads/files.ts';

/** Routes over what the server keeps. */
const KEPT: readonly Route[] = [
  { method: 'GET', path: '/v1/responses/:id', summary: 'A response that is kept.', query: RESPONSE_QUERY, errorBody, handle: showResponse },
  { method: 'DELETE', path: '/v1/responses/:id', summary: 'Deletes a response.', errorBody, handle: removeResponse },
  {
    method: 'GET', path: '/v1/responses/:id/input_items', summary: 'Its input.', query: INPUT_ITEM_QUERY, errorBody,
    handle: listInputItems,
  },
  {
    method: 'POST', path: '/v1/files', summary: 'Takes a file of requests.', form: FILE_FORM, check: requireStore, errorBody,
    handle: uploadFile,
  },
  { method: 'GET', path: '/v1/files', summary: 'Lists files.', query: FILE_LIST, errorBody, handle: listFiles },
  { method: 'GET', path: '/v1/files/:id', summary: 'Describes a file.', errorBody, handle: showFile },
  { method: 'GET', path: '/v1/files/:id/content', summary: 'What is in a file.', errorBody, handle: fileContent },
  { method: 'DELETE', path: '/v1/files/:id', summary: 'Deletes a file.', errorBody, handle: removeFile },
  {
    method: 'POST', path: '/v1/batches', isMetered: true, summary: 'Runs the requests of a file.', parameters: BATCH_PARAMETERS, errorBody,
    handle: createBatch,
  },
  { method: 'GET', path: '/v1/batches', summary: 'Lists batches.', query: BATCH_LIST, errorBody, handle: listBatches },
  { method: 'GET', path: '/v1/batches/:id', summary: 'How far a batch is.', errorBody, handle: showBatch },
  { method: 'POST', path: '/v1/batches/:id/cancel', summary: 'Ends a batch.', errorBody, handle: cancelBatch },
];

export const ROUTES: readonly Route[] = [
  {
    method: 'POST', path: '/v1/chat/completions', isMetered: true, summary: 'Answers a conversation.',
    parameters: CHAT_PARAMETERS, errorBody,
    handle: chatCompletions,
  },
  {
    method: 'POST', path: '/v1/completions', isMetered: true, summary: 'Continues prompts.', parameters: COMPLETION_PARAMETERS, errorBody,
    handle: completions,
  },
  {
    method: 'POST', path: '/v1/embeddings', isMetered: true, summary: 'Unit vectors of texts.', parameters: EMBEDDING_PARAMETERS, errorBody,
    handle: embeddings,
  },
  {
    method: 'POST', path: '/v1/rerank', isMetered: true, summary: 'Orders documents by how well they answer a query.',
    parameters: RERANK_PARAMETERS,
    errorBody, handle: rerank,
  },
  {
    method: 'POST', path: '/v1/responses', isMetered: true, summary: 'Answers, in the newer form.',
    parameters: RESPONSE_PARAMETERS, errorBody,
    handle: responses,
  },
  {
    method: 'POST', path: '/v1/messages', isMetered: true, summary: "Answers a conversation in Anthropic's form.",
    query: BETA_QUERY,
    parameters: MESSAGE_PARAMETERS,
    errorBody: anthropicErrorBody, handle: messages,
  },
  {
    method: 'POST', path: '/v1/messages/count_tokens', summary: 'Counts the tokens of such a conversation.',
    query: BETA_QUERY, parameters: COUNT_PARAMETERS, errorBody: anthropicErrorBody, handle: countTokens,
  },
  ...KEPT,
  { method: 'GET', path: '/v1/models', summary: 'Lists models.', errorBody, handle: listModels },
  { method: 'GET', path: '/v1/models/:id', summary: 'Describes a model.', errorBody, handle: showModel },
  {
    method: 'POST', path: '/v1/models/load', summary: 'Loads a model, and answers when it is there.', parameters: LOAD_PARAMETERS,
    errorBody, handle: loadModel,
  },
  {
    method: 'POST', path: '/v1/models/unload', summary: 'Frees a model when its requests are over.', parameters: LOAD_PARAMETERS,
    errorBody, handle: unloadModel,
  },
  { method: 'POST', path: '/tokenize', summary: 'Token ids of a text.', parameters: TOKENIZE_PARAMETERS, errorBody, handle: tokenize },
  {
    method: 'POST', path: '/detokenize', summary: 'The text of token ids.', parameters: DETOKENIZE_PARAMETERS, errorBody,
    handle: detokenize,
  },
  ...OLLAMA_ROUTES,
  {
    method: 'POST', path: '/v1/audio/transcriptions', isMetered: true,
    summary: 'What is said in a sound.', form: TRANSCRIPTION_FORM, errorBody,
    handle: transcriptions,
  },
  {
    method: 'POST', path: '/v1/audio/translations', isMetered: true, summary: 'The same, in English.', form: TRANSLATION_FORM, errorBody,
    handle: translations,
  },
  { method: 'POST', path: '/v1/audio/speech', summary: 'Refused: no model here speaks.', errorBody, handle: refuseSpeech },
  {
    method: 'GET', path: '/docs', summary: 'All of this, for people.', errorBody, isAlwaysOpen: true, isPublic: true,
    handle: () => docsPage(ROUTES),
  },
  { method: 'GET', path: '/', summary: 'A page to chat at.', errorBody, isAlwaysOpen: true, isPublic: true, handle: chatPage },
  {
    method: 'GET', path: '/health', summary: 'Whether the process answers.', errorBody, isAlwaysOpen: true, isPublic: true,
    handle: health,
  },
  { method: 'GET', path: '/metrics', summary: 'Figures, for Prometheus.', errorBody, isAlwaysOpen: true, handle: metrics },
  {
    method: 'GET', path: '/openapi.json', summary: 'All of this, for programs.', errorBody, isAlwaysOpen: true, isPublic: true,
    handle: () => Response.json(openApi(ROUTES)),
  },
  {
    method: 'GET', path: '/ready', summary: 'Whether it takes requests.', errorBody, isAlwaysOpen: true, isPublic: true,
    handle: ready,
  },
];
