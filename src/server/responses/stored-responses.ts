/** Responses that are kept: read, deleted, and gone on with. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { Call } from '../call.ts';
import { Failure, invalid } from '../failure.ts';
import { typed } from '../openai/decoding-parameters.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { listJson, ORDER, pageParameters } from '../query-parameters.ts';
import { findOwned, fromStore, requireStore } from '../require-store.ts';
import type { StoredResponse } from '../store.ts';
import type { InputItem, ResponseParameters } from './response-parameters.ts';

const USUAL = 20;
const INCLUDED = { refused: 'there is nothing further to include; leave it out.' } as const;

export const RESPONSE_QUERY: ParameterTable = {
  include: INCLUDED,
  include_obfuscation: { refused: 'responses are not streamed again; leave it out.', neutral: [false] },
  starting_after: { refused: 'responses are not streamed again; leave it out.' },
  stream: { refused: 'responses are not streamed again; leave it out.', neutral: [false] },
};

export const INPUT_ITEM_QUERY: ParameterTable = { ...pageParameters(100, USUAL), ...ORDER, include: INCLUDED };

/** Items of an input as they are kept and shown: each with an id, and texts as lists of parts. */
function itemsOf(input: ResponseParameters['input'], responseId: string): readonly JsonObject[] {
  const items = typeof input === 'string' ? [{ role: 'user', content: input } as const] : input;
  return items.map((item, index) => {
    const id = `item_${responseId.slice('resp_'.length)}_${index}`;
    if (item.type !== undefined && item.type !== 'message') return { id, status: 'completed', ...item } as unknown as JsonObject;
    const { content, role } = item as { readonly content: string | readonly JsonObject[]; readonly role: string };
    const part = role === 'assistant' ? { type: 'output_text', annotations: [], logprobs: [] } : { type: 'input_text' };
    const parts = typeof content === 'string' ? [{ ...part, text: content }] : content;
    return { status: 'completed', ...item, id, type: 'message', content: parts } as unknown as JsonObject;
  });
}

/** Responses that one goes on with, the first of them first. */
const MOST_TURNS = 1000;

/** What a conversation that is kept has so far. @throws Failure (400, 404) where it is not there as a whole */
export async function historyOf(call: Call, previousId: string | undefined): Promise<readonly InputItem[]> {
  if (previousId === undefined) return [];
  const { store } = call.state;
  if (store === undefined)
    throw invalid('previous_response_id is not obeyed here: this server keeps no responses. Send the whole conversation as input.', {
      param: 'previous_response_id', code: 'unsupported_parameter',
    });
  const turns: StoredResponse[] = [];
  for (let id: string | undefined = previousId; id !== undefined; id = turns.at(-1)?.previousId) {
    if (turns.length >= MOST_TURNS) throw invalid(`The conversation has more than ${MOST_TURNS} turns.`, { param: 'previous_response_id' });
    const found: StoredResponse | undefined = await fromStore(store.responses.find(id));
    if (found === undefined || found.keyId !== call.holder?.keyId)
      throw new Failure(`There is no response ${JSON.stringify(id.slice(0, 100))} here; it may have expired. Send all of it as input.`, {
        status: 404, code: 'previous_response_not_found', param: 'previous_response_id',
      });
    turns.push(found);
  }
  return turns.toReversed().flatMap(({ input, response }) => [...input, ...(response['output'] as JsonObject[])]) as unknown as InputItem[];
}

/** Resolves when the response is durable. @param parameters of its request */
export async function keepResponse(call: Call, parameters: ResponseParameters, response: JsonObject): Promise<void> {
  const { store, responseMs } = call.state;
  if (store === undefined) return;
  const createdAt = Date.now();
  const id = response['id'] as string;
  await fromStore(store.responses.save({
    id, keyId: call.holder?.keyId, createdAt, expiresAt: createdAt + responseMs, previousId: parameters.previous_response_id,
    input: itemsOf(parameters.input, id), response,
  }));
}

function ownResponse(call: Call): Promise<StoredResponse> {
  return findOwned(call, 'response', requireStore(call).responses.find(call.pathParameters['id'] ?? ''));
}

export async function showResponse(call: Call): Promise<Response> {
  return Response.json((await ownResponse(call)).response);
}

export async function removeResponse(call: Call): Promise<Response> {
  const { id } = await ownResponse(call);
  await fromStore(requireStore(call).responses.remove(id));
  return Response.json({ id, object: 'response', deleted: true });
}

export async function listInputItems(call: Call): Promise<Response> {
  const { after, limit = USUAL, order = 'desc' } = typed<{
    readonly after?: string; readonly limit?: number; readonly order?: 'asc' | 'desc';
  }>(call.query);
  const { input } = await ownResponse(call);
  const items = (order === 'asc' ? input : input.toReversed()) as readonly (JsonObject & { readonly id: string })[];
  const from = after === undefined ? 0 : items.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && from === 0) throw invalid('after names no item of this response.', { param: 'after', code: 'invalid_value' });
  return Response.json(listJson(items.slice(from, from + limit + 1), limit));
}
