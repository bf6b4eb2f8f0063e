/** The whole of an answer from its parts. */
import type { AnswerDialect, AnswerParserOptions } from './answer-dialect.ts';
import type { AnswerPart, ToolCall } from './answer-parts.ts';

export interface AnswerContent {
  /** What was said. */
  readonly content: string;
  /** What was thought before it; '' for nothing. */
  readonly reasoning: string;
  /** Calls that are whole. */
  readonly toolCalls: readonly ToolCall[];
}

export interface PartCollector {
  add(parts: readonly AnswerPart[]): void;
  content(): AnswerContent;
}

export function createPartCollector(): PartCollector {
  let content = '';
  let reasoning = '';
  const toolCalls: ToolCall[] = [];
  return {
    add(parts) {
      for (const part of parts) {
        if (part.kind === 'text') content += part.text;
        else if (part.kind === 'reasoning') reasoning += part.text;
        else if (part.phase === 'end') toolCalls.push({ id: part.id, name: part.name, arguments: part.arguments });
      }
    },
    content: () => ({ content, reasoning, toolCalls: [...toolCalls] }),
  };
}

const NO_TOKENS = { idOf: () => undefined, isSpecial: () => false } as const;

/** What a whole answer says that is there as text alone, its marks spelled out. */
export function answerContent(text: string, dialect: AnswerDialect, options: AnswerParserOptions = {}): AnswerContent {
  const parser = dialect.createParser(NO_TOKENS, options);
  const collector = createPartCollector();
  parser.push(text, false);
  parser.end();
  collector.add(parser.take());
  return collector.content();
}
