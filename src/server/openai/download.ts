/** `/v1/models/download`: a model onto the server's machine, with its progress as events. */
import type { Call } from '../call.ts';
import { downloading } from '../download-model.ts';
import { dataEvent, eventStream } from '../event-stream.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { typed } from './decoding-parameters.ts';
import { failureEvents } from './error-form.ts';
import { describedModel } from './models.ts';

export const DOWNLOAD_PARAMETERS: ParameterTable = {
  model: {
    schema: { type: 'string', minLength: 1, maxLength: 500 }, isRequired: true,
    about: 'An id of the Hugging Face hub, OWNER/NAME with :QUANT or @REVISION, or a short name, as "ingot pull" takes them.',
  },
};

async function* events(call: Call, id: string): AsyncGenerator<string, void, undefined> {
  const progress = downloading(call, id);
  for (;;) {
    const { done, value } = await progress.next();
    if (done === true) return yield `${dataEvent(await describedModel(call, value))}data: [DONE]\n\n`;
    const { phase, loaded, total, note } = value;
    yield dataEvent({ object: 'model.download', model: id, phase, loaded, total, ...(note === undefined ? {} : { note }) });
  }
}

/** The last event is the model's entry, as `/v1/models` has it. Closing the stream stops the download. */
export function downloadModel(call: Call): Promise<Response> {
  const { model: id } = typed<{ readonly model: string }>(call.parameters);
  return eventStream(call, events(call, id), { failureEvents });
}
