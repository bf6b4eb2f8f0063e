/** A parser of answers from the generator of a dialect. */
import type { AnswerParser, AnswerParserOptions, AnswerVocabulary } from './answer-dialect.ts';
import type { AnswerPart } from './answer-parts.ts';
import { abandonCall, controlCharacters, openReader, takeEvents } from './answer-reader.ts';
import type { AnswerReader, Steps } from './answer-reader.ts';

export interface ParserRules {
  readonly marks: readonly string[];
  readonly read: (reader: AnswerReader) => Steps;
}

interface PendingToken {
  readonly id: number;
  /** Characters of the answer up to its end. */
  readonly end: number;
}

type Writable<Part> = { -readonly [Key in keyof Part]: Part[Key] };

/** Adds a part to the others: texts that go on are one part. */
function join(parts: AnswerPart[], part: AnswerPart): void {
  const last = parts.at(-1);
  const goesOn =
    last !== undefined &&
    last.kind === part.kind &&
    (part.kind !== 'toolCall' || (part.phase === 'arguments' && last.kind === 'toolCall' && last.phase === 'arguments'));
  if (!goesOn || !('text' in part) || !('text' in last)) {
    parts.push(part);
    return;
  }
  parts[parts.length - 1] = { ...last, text: last.text + part.text, tokens: [...last.tokens, ...part.tokens] } as Writable<AnswerPart>;
}

/** Made for names of calls that have none: nine characters, as the templates of Mistral want them. */
export function defaultCallId(index: number): string {
  return `call${String(index).padStart(5, '0')}`;
}

export function createParser({ marks, read }: ParserRules, vocabulary: AnswerVocabulary, options: AnswerParserOptions = {}): AnswerParser {
  const { tools = [], promptTail = '', callId = defaultCallId } = options;
  const all = { vocabulary, marks, tools, promptTail, callId };
  const controls = controlCharacters(all);
  const reader = openReader(all, controls);
  const steps = read(reader);
  const pending: PendingToken[] = [];
  let isDone = false;
  let taken: AnswerPart[] = [];
  const tokensTo = (end: number): number[] => {
    const count = pending.findIndex((token) => token.end > end);
    return pending.splice(0, count < 0 ? pending.length : count).map(({ id }) => id);
  };
  const advance = (): void => {
    if (!isDone) isDone = steps.next().done === true;
    for (const { part, to } of takeEvents(reader)) join(taken, { ...part, tokens: tokensTo(to) } as AnswerPart);
  };
  return {
    push(text, isSpecial) {
      if (!isSpecial) reader.text += text;
      else reader.text += controls.get(text) ?? '';
    },
    endToken: (id) => void pending.push({ id, end: reader.before + reader.text.length }),
    take() {
      advance();
      const parts = taken.filter((part) => !('text' in part) || part.text !== '' || part.tokens.length > 0);
      taken = [];
      return parts;
    },
    end() {
      reader.isOver = true;
      advance();
      if (reader.call !== undefined) abandonCall(reader);
      for (const { part, to } of takeEvents(reader)) join(taken, { ...part, tokens: tokensTo(to) } as AnswerPart);
      const rest = tokensTo(Infinity);
      if (rest.length > 0) join(taken, { kind: reader.lastKind, text: '', tokens: rest });
    },
    get incompleteCalls() {
      return reader.incompleteCalls + (reader.call === undefined ? 0 : 1);
    },
    get wholeCalls() {
      return reader.wholeCalls;
    },
  };
}
