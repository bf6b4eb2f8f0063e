/** The items of a response, and the events that tell of them as they grow. */
import type { AnswerPart } from '../../text/answers/answer-parts.ts';
import { toldCallId } from '../call-ids.ts';

export interface ResponseEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

type Item =
  | { readonly type: 'message'; readonly id: string; text: string; status: string }
  | { readonly type: 'reasoning'; readonly id: string; text: string; status: string }
  | { readonly type: 'function_call'; readonly id: string; readonly callId: string; readonly name: string; text: string; status: string };

const outputText = (text: string) => ({ type: 'output_text', text, annotations: [], logprobs: [] });
const reasoningText = (text: string) => ({ type: 'reasoning_text', text });

function itemJson(item: Item): object {
  const { type, id, status, text } = item;
  if (type === 'function_call') return { type, id, status, call_id: item.callId, name: item.name, arguments: text };
  // An item that has just begun has no content yet.
  const isNew = status === 'in_progress' && text === '';
  if (type === 'reasoning') return { type, id, status, summary: [], content: isNew ? [] : [reasoningText(text)] };
  return { type, id, status, role: 'assistant', content: isNew ? [] : [outputText(text)] };
}

/** Names of the events of an item's text. */
const GROWTH = {
  message: 'response.output_text', reasoning: 'response.reasoning_text', function_call: 'response.function_call_arguments',
} as const;

function place(item: Item, index: number): object {
  return { item_id: item.id, output_index: index, ...(item.type === 'function_call' ? {} : { content_index: 0 }) };
}

function textPart(item: Item, text: string): object {
  return item.type === 'message' ? outputText(text) : reasoningText(text);
}

function beginEvents(item: Item, index: number): ResponseEvent[] {
  const added = { type: 'response.output_item.added', output_index: index, item: itemJson(item) };
  return item.type === 'function_call'
    ? [added]
    : [added, { type: 'response.content_part.added', ...place(item, index), part: textPart(item, '') }];
}

function endEvents(item: Item, index: number): ResponseEvent[] {
  const { type, text } = item;
  const done = { type: `${GROWTH[type]}.done`, ...place(item, index) };
  const events: ResponseEvent[] =
    type === 'function_call'
      ? [{ ...done, name: item.name, arguments: text }]
      : [
          { ...done, text, ...(type === 'message' ? { logprobs: [] } : {}) },
          { type: 'response.content_part.done', ...place(item, index), part: textPart(item, text) },
        ];
  return [...events, { type: 'response.output_item.done', output_index: index, item: itemJson(item) }];
}

function startItem(part: AnswerPart, id: string): Item {
  const status = 'in_progress';
  if (part.kind === 'text') return { type: 'message', id: `msg_${id}`, text: '', status };
  if (part.kind === 'reasoning') return { type: 'reasoning', id: `rs_${id}`, text: '', status };
  const name = part.phase === 'arguments' ? '' : part.name;
  return { type: 'function_call', id: `fc_${id}`, callId: toldCallId(part.id, 'call'), name, text: '', status };
}

export interface OutputItems {
  /** Events of a part of the answer. */
  add(part: AnswerPart): ResponseEvent[];
  /** The answer is over. @param isCut its last item is not whole */
  end(isCut: boolean): ResponseEvent[];
  json(): object[];
}

/** @param id of the response, of which the items' are made */
export function createOutputItems(id: string): OutputItems {
  const items: Item[] = [];
  let open: string | undefined;
  const close = (status: string): ResponseEvent[] => {
    const item = items.at(-1);
    if (open === undefined || item === undefined) return [];
    open = undefined;
    item.status = status;
    return endEvents(item, items.length - 1);
  };
  return {
    add(part) {
      if (part.kind !== 'toolCall' && part.text === '') return [];
      const key = part.kind === 'toolCall' ? `call ${part.index}` : part.kind;
      const events: ResponseEvent[] = [];
      if (key !== open) {
        events.push(...close('completed'));
        open = key;
        const item = startItem(part, `${id}_${items.length}`);
        events.push(...beginEvents(item, items.push(item) - 1));
      }
      const item = items.at(-1) as Item;
      const delta = part.kind === 'toolCall' && part.phase !== 'arguments' ? '' : part.text;
      if (delta === '') return events;
      item.text += delta;
      const growth = { type: `${GROWTH[item.type]}.delta`, ...place(item, items.length - 1), delta };
      return [...events, item.type === 'message' ? { ...growth, logprobs: [] } : growth];
    },
    end: (isCut) => close(isCut ? 'incomplete' : 'completed'),
    json: () => items.map(itemJson),
  };
}
