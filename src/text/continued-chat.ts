/**
 * A conversation whose last message the model goes on with: the template renders it as a message of the past, and all that it puts behind
 * its text, the end of its turn among it, is cut off (as `continue_final_message` of transformers has it). The place is found by a word
 * that no message holds, put behind the text before it is rendered.
 */
import { InputError } from '../tensor/errors.ts';
import type { ChatSegment, ChatTemplate, RenderChatOptions, RenderedChat } from './chat-template.ts';

/** Fields of a message that hold what was said and what was thought before it. */
type Continued = 'content' | 'reasoning_content';

const PLACE = 'GOES_ON_HERE';

function placeWord(messages: readonly object[]): string {
  const text = JSON.stringify(messages);
  for (let i = 0; ; i++) if (!text.includes(`${PLACE}${i}`)) return `${PLACE}${i}`;
}

/** What is there of a text up to `end`. */
function segmentsUntil(segments: readonly ChatSegment[], end: number): ChatSegment[] {
  const kept: ChatSegment[] = [];
  let from = 0;
  for (const { text, fromTemplate } of segments) {
    const part = text.slice(0, Math.max(0, end - from));
    if (part !== '') kept.push({ text: part, fromTemplate });
    from += text.length;
  }
  return kept;
}

function changed(what: string): InputError {
  return new InputError(
    `The last message cannot be continued: the model's chat template ${what}. End messages with a user's message, or with a tool's result.`,
  );
}

/**
 * Where the model is asked not to think, its turn is opened as for any answer, with the closed thought that a template may put there, and
 * the text follows: as a message of the past it would stand without that.
 */
export function renderOpenedThenSaid(template: ChatTemplate, options: RenderChatOptions): RenderedChat {
  const { content } = options.messages.at(-1) as { readonly content?: string | null };
  const said = content ?? '';
  const opened = template.render({ ...options, messages: options.messages.slice(0, -1) });
  return { text: opened.text + said, segments: [...opened.segments, ...(said === '' ? [] : [{ text: said, fromTemplate: false }])] };
}

/**
 * Where the last message says nothing but thinks, its thought goes on.
 * @throws InputError for an answer that the template leaves out, or does not render as it is; and as {@link ChatTemplate.render}
 */
export function renderContinued(template: ChatTemplate, options: RenderChatOptions): RenderedChat {
  const { messages } = options;
  const last = messages.at(-1) as Partial<Record<Continued, string | null>>;
  const hasContent = (last.content ?? '') !== '';
  const field: Continued = !hasContent && (last.reasoning_content ?? '') !== '' ? 'reasoning_content' : 'content';
  const said = last[field] ?? '';
  const place = placeWord(messages);
  // A space behind it says whether the template keeps white space at the end.
  const rendered = template.render({
    ...options, messages: [...messages.slice(0, -1), { ...last, [field]: `${said}${place} ` }], addGenerationPrompt: false,
  });
  const at = rendered.text.lastIndexOf(place);
  if (at < 0) throw changed(field === 'content' ? 'leaves it out' : 'reads no reasoning_content');
  const kept = rendered.text.slice(0, at);
  if (!kept.includes(said.trim())) throw changed('changes its text');
  const end = rendered.text.startsWith(' ', at + place.length) ? at : kept.trimEnd().length;
  return { text: rendered.text.slice(0, end), segments: segmentsUntil(rendered.segments, end) };
}
