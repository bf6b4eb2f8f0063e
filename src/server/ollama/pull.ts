/** `/api/pull` in Ollama's form. */
import type { Call } from '../call.ts';
import { downloading } from '../download-model.ts';
import { eventStream } from '../event-stream.ts';
import { invalid } from '../failure.ts';
import { MODEL_PARAMETER } from '../model-parameter.ts';
import { typed } from '../openai/decoding-parameters.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { failureEvents, lineOf } from './error-form.ts';

export const PULL_PARAMETERS: ParameterTable = {
  model: { schema: MODEL_PARAMETER.schema, about: 'An id of the Hugging Face hub, or a short name, as "ingot pull" takes them.' },
  name: { schema: MODEL_PARAMETER.schema, about: "The same: Ollama's own client calls it so." },
  stream: { schema: { type: 'boolean' }, about: 'Whether its progress comes, a line at a time; default true.' },
  insecure: { refused: 'models come by HTTPS; leave it out.', neutral: [false] },
};

async function* lines(call: Call, id: string): AsyncGenerator<string, void, undefined> {
  yield lineOf({ status: 'pulling manifest' });
  const progress = downloading(call, id);
  for (;;) {
    const { done, value } = await progress.next();
    if (done === true) return yield lineOf({ status: 'success' });
    yield lineOf({ status: `pulling ${id}`, digest: id, total: value.total, completed: value.loaded });
  }
}

export async function ollamaPull(call: Call): Promise<Response> {
  const { model, name, stream = true } = typed<Partial<{ model: string; name: string; stream: boolean }>>(call.parameters);
  const id = model ?? name;
  if (id === undefined) throw invalid('Missing required parameter: model.', { param: 'model', code: 'missing_required_parameter' });
  if (stream) return eventStream(call, lines(call, id), { failureEvents, contentType: 'application/x-ndjson', heartbeat: '' });
  const progress = downloading(call, id);
  while ((await progress.next()).done !== true);
  return Response.json({ status: 'success' });
}
