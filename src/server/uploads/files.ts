/** `/v1/files`: files of requests for batches, and of their answers. */
import type { Call } from '../call.ts';
import { invalid } from '../failure.ts';
import { typed } from '../openai/decoding-parameters.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { listJson, ORDER, pageParameters } from '../query-parameters.ts';
import { findOwned, fromStore, newId, requireStore, secondsOf } from '../require-store.ts';
import type { StoredFile } from '../store.ts';

const MOST_LISTED = 10_000;
export const FILE_LIST: ParameterTable = {
  ...pageParameters(MOST_LISTED, MOST_LISTED), ...ORDER,
  purpose: { schema: { enum: ['batch', 'batch_output'] }, about: 'Those of requests, or those of answers. Default: all.' },
};

/** The fields of a form, beside the file. */
export const FILE_FORM: ParameterTable = {
  file: { schema: { type: 'string' }, isRequired: true, about: 'A file of JSON lines.' },
  purpose: { schema: { enum: ['batch'] }, isRequired: true, about: 'Files are for batches here.' },
  expires_after: {
    about: 'How long it is kept. Default: as the server is set.',
    table: {
      anchor: { schema: { enum: ['created_at'] }, about: 'From when on.' },
      seconds: { schema: { type: 'integer', minimum: 3600, maximum: 2_592_000 }, about: 'From an hour to 30 days.' },
    },
  },
};

export function fileJson({ id, bytes, createdAt, expiresAt, filename, purpose }: StoredFile) {
  return {
    id, object: 'file', bytes, created_at: secondsOf(createdAt), expires_at: secondsOf(expiresAt), filename, purpose, status: 'processed',
  };
}

export async function uploadFile(call: Call): Promise<Response> {
  const store = requireStore(call);
  const file = call.file as File;
  if (file.size === 0) throw invalid('The file is empty: it must have a request a line.', { param: 'file', code: 'empty' });
  const { expires_after: { seconds } = {} } = typed<{ readonly expires_after?: { readonly seconds?: number } }>(call.parameters);
  const createdAt = Date.now();
  const stored: StoredFile = {
    id: newId('file-'), keyId: call.holder?.keyId, createdAt,
    expiresAt: createdAt + (seconds === undefined ? call.state.fileMs : seconds * 1000),
    purpose: 'batch', filename: file.name.slice(0, 255), bytes: file.size,
  };
  await fromStore(store.files.add(stored, new Uint8Array(await file.arrayBuffer())));
  return Response.json(fileJson(stored));
}

export async function listFiles(call: Call): Promise<Response> {
  const store = requireStore(call);
  const { after, limit = MOST_LISTED, order = 'desc', purpose } = typed<{
    readonly after?: string; readonly limit?: number; readonly order?: 'asc' | 'desc'; readonly purpose?: string;
  }>(call.query);
  if (after !== undefined) await findOwned(call, 'file', store.files.find(after));
  const files = await fromStore(store.files.list({ keyId: call.holder?.keyId, after, limit: limit + 1, order, purpose }));
  return Response.json(listJson(files.map(fileJson), limit));
}

/** The file that the path names. */
function ownFile(call: Call): Promise<StoredFile> {
  return findOwned(call, 'file', requireStore(call).files.find(call.pathParameters['id'] ?? ''));
}

export async function showFile(call: Call): Promise<Response> {
  return Response.json(fileJson(await ownFile(call)));
}

export async function fileContent(call: Call): Promise<Response> {
  const { id } = await ownFile(call);
  const content = await fromStore(requireStore(call).files.content(id));
  // Never text/html: what is in it was sent by others.
  return new Response(content as Uint8Array<ArrayBuffer>, { headers: { 'content-type': 'application/octet-stream' } });
}

export async function removeFile(call: Call): Promise<Response> {
  const { id } = await ownFile(call);
  await fromStore(requireStore(call).files.remove(id));
  return Response.json({ id, object: 'file', deleted: true });
}
