/** `/v1/batches`: requests that run when nobody waits, and outlive the process. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import { checkMetadata, METADATA } from '../metadata.ts';
import { typed } from '../openai/decoding-parameters.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { listJson, pageParameters } from '../query-parameters.ts';
import { findOwned, fromStore, newId, requireStore, secondsOf } from '../require-store.ts';
import type { StoredBatch } from '../store.ts';
import { readBatchLines } from './batch-lines.ts';

export const BATCH_ENDPOINTS = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses'] as const;

export const BATCH_PARAMETERS: ParameterTable = {
  input_file_id: { schema: { type: 'string', minLength: 1, maxLength: 200 }, isRequired: true, about: 'A file of the purpose batch.' },
  endpoint: { schema: { enum: BATCH_ENDPOINTS }, isRequired: true, about: 'The route of all its requests.' },
  completion_window: { schema: { enum: ['24h'] }, isRequired: true, about: 'What has not run by then goes to the error file.' },
  metadata: { schema: METADATA, about: 'At most 16 texts of at most 512 characters.' },
  output_expires_after: {
    schema: {
      type: 'object', required: ['anchor', 'seconds'], additionalProperties: false,
      properties: { anchor: { enum: ['created_at'] }, seconds: { type: 'integer', minimum: 3600, maximum: 2_592_000 } },
    },
    about: 'Of the files of answers: from an hour to 30 days.',
  },
};

const USUAL = 20;
export const BATCH_LIST: ParameterTable = pageParameters(100, USUAL);

export function batchJson(batch: StoredBatch) {
  const { id, endpoint, inputFileId, status, metadata, errors, createdAt, expiresAt, cancellingAt, endedAt, counts } = batch;
  const when = (one: StoredBatch['status']) => (status === one ? secondsOf(endedAt) : null);
  return {
    id, object: 'batch', endpoint, input_file_id: inputFileId, completion_window: '24h', status,
    errors: errors.length === 0
      ? null
      : { object: 'list', data: errors.map(({ code, message, line = null, param = null }) => ({ code, message, line, param })) },
    output_file_id: batch.outputFileId ?? null, error_file_id: batch.errorFileId ?? null, created_at: secondsOf(createdAt),
    in_progress_at: status === 'failed' ? null : secondsOf(createdAt), expires_at: secondsOf(expiresAt),
    finalizing_at: when('completed'), completed_at: when('completed'), failed_at: when('failed'), expired_at: when('expired'),
    cancelling_at: secondsOf(cancellingAt), cancelled_at: when('cancelled'), request_counts: counts, metadata,
  };
}

const WINDOW_MS = 24 * 3_600_000;

interface BatchRequest {
  readonly input_file_id: string;
  readonly endpoint: string;
  readonly metadata?: JsonObject;
  readonly output_expires_after?: { readonly seconds: number };
}

export async function createBatch(call: Call): Promise<Response> {
  const store = requireStore(call);
  const { limits, fileMs, wakeBatches } = call.state;
  const { input_file_id: fileId, endpoint, metadata = {}, output_expires_after: output } = typed<BatchRequest>(call.parameters);
  checkMetadata(metadata);
  const file = await findOwned(call, 'file', store.files.find(fileId));
  if (file.purpose !== 'batch')
    throw invalid(`The file ${fileId} is of the purpose ${file.purpose}, not batch.`, { param: 'input_file_id', code: 'wrong_purpose' });
  const content = (await fromStore(store.files.content(fileId))) ?? new Uint8Array();
  const { items, errors } = readBatchLines(content, { endpoint, mostRequests: limits.batchRequests, bodyBytes: limits.bodyBytes });
  const createdAt = Date.now();
  const hasFailed = errors.length > 0;
  const batch: StoredBatch = {
    id: newId('batch_'), keyId: call.holder?.keyId, createdAt, expiresAt: createdAt + WINDOW_MS, endpoint, inputFileId: fileId,
    status: hasFailed ? 'failed' : 'in_progress', metadata, errors, outputMs: output === undefined ? fileMs : output.seconds * 1000,
    cancellingAt: undefined, endedAt: hasFailed ? createdAt : undefined, outputFileId: undefined, errorFileId: undefined,
    counts: { total: hasFailed ? 0 : items.length, completed: 0, failed: 0 },
  };
  await fromStore(store.batches.create(batch, hasFailed ? [] : items));
  wakeBatches();
  return Response.json(batchJson(batch));
}

function ownBatch(call: Call): Promise<StoredBatch> {
  return findOwned(call, 'batch', requireStore(call).batches.find(call.pathParameters['id'] ?? ''));
}

export async function showBatch(call: Call): Promise<Response> {
  return Response.json(batchJson(await ownBatch(call)));
}

export async function cancelBatch(call: Call): Promise<Response> {
  const { id, status } = await ownBatch(call);
  if (status !== 'in_progress' && status !== 'cancelling')
    throw invalid(`The batch has ended (${status}) and cannot be cancelled.`, { code: 'batch_ended' });
  await fromStore(requireStore(call).batches.cancel(id, Date.now()));
  call.state.wakeBatches();
  return Response.json(batchJson(await ownBatch(call)));
}

export async function listBatches(call: Call): Promise<Response> {
  const store = requireStore(call);
  const { after, limit = USUAL } = typed<{ readonly after?: string; readonly limit?: number }>(call.query);
  if (after !== undefined) await findOwned(call, 'batch', store.batches.find(after));
  const batches = await fromStore(store.batches.list({ keyId: call.holder?.keyId, after, limit: limit + 1, order: 'desc' }));
  return Response.json(listJson(batches.map(batchJson), limit));
}
