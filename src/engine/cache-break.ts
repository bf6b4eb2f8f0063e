/** What kept a prompt from the state that was there: where it parts from the tokens of an earlier one, in the caller's words. */
import type { CacheBreak, ChatMessage, TemplateOptions } from './api.ts';
import { contentText } from '../text/chat-messages.ts';
import { renderOptions } from './prompt.ts';
import type { TextSide } from './prompt.ts';

/** What a prompt was rendered from. */
export interface PromptSource {
  readonly messages: readonly ChatMessage[];
  readonly options: TemplateOptions;
  /** How many messages behind those of the system at the beginning are not in the prompt; numbers are of the whole list. */
  readonly dropped: { readonly from: number; readonly count: number };
}

const PLACE = '\u2063\u2062';

/** Where each message's text ends in the rendered one; undefined for a message that it does not have. */
function messageEnds(render: (messages: readonly ChatMessage[]) => string, messages: readonly ChatMessage[]): (number | undefined)[] {
  const marked = render(messages.map((message) => ({ ...message, content: `${contentText(message.content)}${PLACE}` })));
  const ends: (number | undefined)[] = [];
  let from = 0;
  for (const [i] of messages.entries()) {
    const at = marked.indexOf(PLACE, from);
    ends.push(at < 0 ? undefined : at - i * PLACE.length);
    from = at < 0 ? from : at + PLACE.length;
  }
  return ends;
}

/** Which units of a text are not those of another that has less. */
function changedRange(text: string, other: string): readonly [number, number] {
  const most = Math.min(text.length, other.length);
  let from = 0;
  while (from < most && text[from] === other[from]) from++;
  let behind = 0;
  while (behind < most - from && text.at(-1 - behind) === other.at(-1 - behind)) behind++;
  return [from, text.length - behind];
}

/** A template may refuse, or change, what it is asked to render for this: then only the token is told. */
function placeOf(ids: readonly number[], token: number, { messages, options, dropped }: PromptSource, text: TextSide) {
  const { tokenizer, renderMessages } = text;
  if (tokenizer === undefined || renderMessages === undefined) return {};
  const all = renderOptions(options, text);
  const whole = renderMessages(messages, all);
  // The tokens before it, as text; an encoder that normalises may be some units off.
  const at = tokenizer.decode(ids.slice(0, token).filter((id) => id >= 0 && id < tokenizer.vocabSize)).length;
  if ((all.tools ?? []).length > 0) {
    const [from, to] = changedRange(whole, renderMessages(messages, { ...all, tools: undefined }));
    if (at >= from && at < to) return { part: 'tools' } as const;
  }
  const ends = messageEnds((some) => renderMessages(some, all), messages);
  const found = ends.findIndex((end) => end !== undefined && end > at);
  if (found < 0) return { part: 'end' } as const;
  const message = found < dropped.from ? found : found + dropped.count;
  return { part: 'message', message, role: (messages[found] as ChatMessage).role } as const;
}

/** @param token where the prompt parts from what was there */
export function describeBreak(ids: readonly number[], token: number, source: PromptSource | undefined, text: TextSide): CacheBreak {
  if (source === undefined) return { token };
  try {
    return { token, ...placeOf(ids, token, source, text) };
  } catch {
    return { token };
  }
}
