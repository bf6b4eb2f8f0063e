/** `/v1/files`: files of requests for batches, and of their answers. */
import type { Call } from '../call.ts';
import { Failure, invalid } from '../failure.ts';
import { typed } from '../openai/decoding-parameters.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { readParameters } from '../parameter-table.ts';
import { listJson, ORDER, pageParameters } from '../query-parameters.ts';
import { readBytes } from '../request-body.ts';
import { findOwned, fromStore, newId, requireStore, secondsOf } from '../require-store.ts';
import type { StoredFile } from '../store.ts';

const MOST_LISTED = 10_000;
export const FILE_LIST: ParameterTable = {
  ...pageParameters(MOST_LISTED, MOST_LISTED), ...ORDER,
  purpose: { schema: { enum: ['batch', 'batch_output'] } },
};

/** The fields of a form, beside the file. */
export const FILE_FORM: ParameterTable = {
  file: { schema: { type: 'string' }, isRequired: true, about: 'A file of JSON lines.' },
  purpose: { schema: { enum: ['batch'] }, isRequired: true, about: 'Files are for batches here.' },
  'expires_after[anchor]': { schema: { enum: ['created_at'] } },
  'expires_after[seconds]': { schema: { type: 'integer', minimum: 3600, maximum: 2_592_000 }, about: 'From an hour to 30 days.' },
};

export function fileJson({ id, bytes, createdAt, expiresAt, filename, purpose }: StoredFile) {
  return {
    id, object: 'file', bytes, created_at: secondsOf(createdAt), expires_at: secondsOf(expiresAt), filename, purpose, status: 'processed',
  };
}

async function readForm(call: Call): Promise<FormData> {
  const { request, state: { limits } } = call;
  const type = request.headers.get('content-type') ?? '';
  if (!/^multipart\/form-data\s*;/i.test(type)) throw invalid('The body must be multipart/form-data.', { code: 'invalid_form' });
  // What a form says around its file is small.
  const bytes = await readBytes(request, { bodyBytes: limits.fileBytes + 65_536, bodyMs: limits.bodyMs });
  try {
    return await new Response(bytes, { headers: { 'content-type': type } }).formData();
  } catch {
    throw invalid('The body is no valid multipart/form-data.', { code: 'invalid_form' });
  }
}

function fieldsOf(form: FormData): Readonly<Record<string, string | number>> {
  const fields = [...form].map(([name, value]) => [name, typeof value === 'string' ? value : 'file'] as const);
  const twice = fields.find(([name], index) => fields.findIndex(([other]) => other === name) !== index);
  if (twice !== undefined)
    throw invalid(`${twice[0].slice(0, 60)} is given twice.`, { param: twice[0].slice(0, 60), code: 'invalid_value' });
  return Object.fromEntries(
    fields.map(([name, value]) => [name, name === 'expires_after[seconds]' && /^\d{1,9}$/.test(value) ? Number(value) : value]),
  );
}

export async function uploadFile(call: Call): Promise<Response> {
  const store = requireStore(call);
  const { limits, fileMs } = call.state;
  const form = await readForm(call);
  const fields = readParameters(fieldsOf(form), FILE_FORM);
  const file = form.get('file');
  if (file === null || typeof file === 'string') throw invalid('file must be a file.', { param: 'file', code: 'invalid_value' });
  if (file.size > limits.fileBytes)
    throw new Failure(`The file is larger than ${limits.fileBytes} bytes, the most that this server takes.`, {
      status: 413, code: 'file_too_large', param: 'file',
    });
  const seconds = fields['expires_after[seconds]'] as number | undefined;
  const createdAt = Date.now();
  const stored: StoredFile = {
    id: newId('file-'), keyId: call.holder?.keyId, createdAt, expiresAt: createdAt + (seconds === undefined ? fileMs : seconds * 1000),
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
