/** A thought that may take so many tokens, and is then ended by the family's own mark, so that the answer goes on. */
import type { ReasoningMarks } from '../text/answers/answer-dialect.ts';
import type { OutputFormat } from '../text/grammars/output-format.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { InputError } from '../tensor/errors.ts';
import type { AnswerFormat } from './answer-text.ts';
import { answerOpening } from './prompt.ts';
import type { TextSide } from './prompt.ts';
import { thoughtTokens } from './reasoning.ts';
import type { Reasoning } from './reasoning.ts';

export interface ThoughtBudget {
  /**
   * Counts the next token of the answer.
   * @returns the tokens that end its thought, where it may have no more; else none
   */
  take(token: number): readonly number[];
}

export interface ThoughtBudgetOptions {
  /** Most tokens of the thought, marks not counted. */
  readonly tokens: number;
  readonly marks: ReasoningMarks;
  readonly tokenizer: Tokenizer;
  /** The answer begins inside a thought. */
  readonly isOpen: boolean;
}

/** The tokens that end a thought which the model has not ended itself. */
export function thoughtEnd({ close, cut = close }: ReasoningMarks, tokenizer: Tokenizer): readonly number[] {
  return tokenizer.encode(cut, { parseSpecial: true });
}

/** Whether bytes end inside a character of UTF-8: behind its first byte fewer follow than that says. */
function endsInsideCharacter(bytes: readonly number[]): boolean {
  for (let behind = 1; behind <= Math.min(3, bytes.length); behind++) {
    const byte = bytes.at(-behind) as number;
    if (byte < 0x80) return false;
    if (byte >= 0xc0) return behind < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2);
  }
  return false;
}

export function createThoughtBudget({ tokens, marks, tokenizer, isOpen }: ThoughtBudgetOptions): ThoughtBudget {
  const decoder = tokenizer.streamDecoder();
  let place: 'before' | 'inside' | 'over' = isOpen ? 'inside' : 'before';
  /** What may yet be, or be a part of, the mark that is waited for. */
  let text = '';
  let lastBytes: readonly number[] = [];
  let used = 0;
  const end = () => {
    place = 'over';
    return thoughtEnd(marks, tokenizer);
  };
  return {
    take(token) {
      if (place === 'over' || token >= tokenizer.vocabSize) return [];
      text += decoder.push(token);
      lastBytes = [...lastBytes, ...tokenizer.tokenBytes(token)].slice(-3);
      if (place === 'before') {
        text = text.trimStart();
        if (text.startsWith(marks.open)) place = 'inside';
        else if (!marks.open.startsWith(text)) place = 'over';
        if (place !== 'inside') return [];
        text = text.slice(marks.open.length);
        return tokens === 0 ? end() : [];
      }
      used++;
      if (text.includes(marks.close)) {
        place = 'over';
        return [];
      }
      text = text.slice(-marks.close.length);
      return used >= tokens && !endsInsideCharacter(lastBytes) ? end() : [];
    },
  };
}

function isOpened(opening: string, { open }: ReasoningMarks): boolean {
  return opening.trimEnd().endsWith(open.trimEnd());
}

interface ThinkingJob {
  readonly text: Pick<TextSide, 'tokenizer'>;
  readonly thoughtTokens?: number | undefined;
}

/** @param opening what the answer goes on from; undefined where nothing is limited */
export function thoughtBudgetOf(
  { text: { tokenizer }, thoughtTokens: tokens }: ThinkingJob, { dialect: { reasoning: marks } }: AnswerFormat, opening: string,
): ThoughtBudget | undefined {
  if (tokens === undefined || marks === undefined || tokenizer === undefined) return undefined;
  return createThoughtBudget({ tokens, marks, tokenizer, isOpen: isOpened(opening, marks) });
}

export interface LimitedPrompt {
  readonly promptIds: readonly number[];
  readonly thoughtTokens: number | undefined;
}

/**
 * What a limit on thoughts makes of a prompt: one that opens a thought which may have no tokens also closes it.
 * @throws InputError for a limit on thoughts beside a format that leaves no place for any
 */
export function limitThought(
  promptIds: readonly number[],
  { reasoning, format }: { readonly reasoning?: Reasoning | undefined; readonly format?: OutputFormat | undefined },
  answer: AnswerFormat,
  text: TextSide,
): LimitedPrompt {
  const tokens = thoughtTokens(reasoning, text);
  const { dialect: { reasoning: marks } } = answer;
  const { tokenizer } = text;
  if (tokens === undefined || marks === undefined || tokenizer === undefined) return { promptIds, thoughtTokens: undefined };
  const opened = isOpened(answerOpening(promptIds, answer, text), marks);
  if (tokens > 0 && format !== undefined && format.type !== 'tags' && !opened)
    throw new InputError(
      'reasoning.budgetTokens would have nothing to limit: with a format the answer begins with what that says, unless the prompt opens ' +
        'a thought. Leave it out.',
    );
  if (tokens > 0 || !opened) return { promptIds, thoughtTokens: tokens };
  return { promptIds: [...promptIds, ...thoughtEnd(marks, tokenizer)], thoughtTokens: undefined };
}
